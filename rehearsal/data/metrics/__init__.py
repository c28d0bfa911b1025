"""What AWS's services tell CloudWatch of themselves, measured on what really runs here."""
