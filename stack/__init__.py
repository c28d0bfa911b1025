"""The settings of a stack and what follows from them: keys, rules, records, names, IAM statements.

The package imports neither pulumi nor boto3. The program, the policy pack, the commands and the
rehearsal all read a stack's settings through it.
"""
