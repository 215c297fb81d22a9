"""Training material: recordings -> libraries of measured notes -> performances that several players play in unison.

    archive               -> recordings
    recordings            -> fingerprint -> duplicates (left out)
    recordings, soundfont -> note + pitch (measured, cached) -> library
    tunes, studies        -> score -> performance (pitch curve, dynamics)
    both                  -> ensemble (who plays, which split) -> render (player, follow) -> shards -> pairs
    all steps             -> farm (this process, its machine's cores, or a Ray cluster)

In a performance all players have the same notes, pitch curve and loudness at every sample; they differ in timbre alone,
so that turning one into another can be supervised directly. Imports no torch.
"""
