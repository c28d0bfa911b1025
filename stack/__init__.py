"""What a stack file may say, and what follows from it: keys, rules, records, names, IAM statements.

Without Pulumi and boto3: the program, the policy pack, the commands and the rehearsal read a
stack's settings here alone.
"""
