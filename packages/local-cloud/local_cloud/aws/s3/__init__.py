"""S3: AWS's rules that moto lacks, the policies of buckets, and who may send a request."""
