"""How models are made: synthetic cases, training pairs, recipes, evaluation."""
