"""Which network and which training is best for its cost: a study of many short trainings."""
