"""What people look at: tables in the terminal, pictures, and the page of a training run."""
