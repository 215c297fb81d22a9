"""Everything with torch: networks, training, export, evaluation. The stage never imports it."""
