"""The two families of networks, written once for training and for streaming."""
