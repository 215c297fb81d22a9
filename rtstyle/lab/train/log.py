"""What a training run says of itself."""

import json
from collections.abc import Callable
from pathlib import Path


class Log:
    """Rows of a run: into log.jsonl, TensorBoard, and to whoever wants them reported."""

    def __init__(self, folder: Path, report: Callable[[dict[str, float]], None] | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.board = SummaryWriter(str(folder / "tensorboard"))
        self.file = (folder / "log.jsonl").open("a", encoding="utf-8")
        self.report = report

    def write(self, row: dict[str, float]) -> None:
        """Keep a row, which must say its "step"."""
        self.file.write(json.dumps(row) + "\n")
        self.file.flush()
        for key, value in row.items():
            self.board.add_scalar(key, value, int(row["step"]))
        if self.report is not None:
            self.report(row)

    def close(self) -> None:
        """Finish both files."""
        self.file.close()
        self.board.close()
