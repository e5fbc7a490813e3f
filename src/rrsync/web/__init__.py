"""The pages: who uses them, what they show and how; served to the browser and to nothing else."""
