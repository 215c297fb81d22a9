"""Ears that others have trained: two networks of musicnn, one for a second opinion on timbre, one that training listens with.

J. Pons, X. Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging", ISMIR late-breaking demo,
2019; ISC licence. Weights as in the package musicnn 0.1.0, in float16: `weights` makes them from its wheel.
"""
