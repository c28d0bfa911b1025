"""What AWS sends by its recorded answers, and moto lacks."""
