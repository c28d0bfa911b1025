"""Sessions and errors of AWS, and the local cloud that can take AWS's place."""
