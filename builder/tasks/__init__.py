"""Tasks of the team's: what each asks, its rows and its metric; trained alone, mixed, or in stages."""
