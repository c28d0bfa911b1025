"""Lines as frameworks, servers and AWS write them: with a secret, and such as must stay as they are.

¤ stands for the secret. Most lines are what these versions print, the others are written after the usual format: SQLAlchemy 2.1.9, Alembic 1.20.1,
psycopg 3.3.9, psycopg2 2.9.13, asyncpg 0.32.0, Django 5.2.19, pydantic 2.14.4, requests 2.34.2, httpx 0.28.1, boto3 1.44.8,
kombu 5.7.0, Flask 3.1.3.
"""

import base64

# ruff: noqa: E501 - lines as they are printed

URLS = {
    "SQLAlchemy, URL.render_as_string(hide_password=False)": "postgresql://postgres:¤@db.example/careapp",
    "SQLAlchemy 1.4, ArgumentError": "Could not parse rfc1738 URL from string 'postgresql+psycopg//postgres:¤@db.example/careapp'",
    "Alembic, set_main_option": "ValueError: invalid interpolation syntax in 'postgresql://postgres:¤@db.example/careapp' at position 30",
    "Alembic, alembic.ini": "configparser.InterpolationSyntaxError: '%' must be followed by '%' or '(', found: '%¤@db.example/careapp'",
    "psycopg": 'psycopg.ProgrammingError: missing "=" after "postgres//postgres:¤@db.example/careapp" in connection info string',
    "psycopg2": 'psycopg2.ProgrammingError: invalid dsn: missing "=" after "postgres//postgres:¤@db.example/careapp" in connection info string',
    "requests": "requests.exceptions.InvalidSchema: No connection adapters were found for 'htp://svc:¤@127.0.0.1:1/v1'",
    "botocore": 'Failed to connect to proxy URL: "http://svc:¤@proxy.example:3128"',
    "kombu, as_uri(include_password=True)": "amqp://guest:¤@127.0.0.1:5672//",
    "redis, without a user": "redis://:¤@cache.example:6379/0",
    "subprocess": "subprocess.CalledProcessError: Command '['psql', '--dbname=postgresql://postgres:¤@h/x']' returned non-zero exit status 2.",
    "MongoDB, two hosts": "mongodb+srv://app:¤@a.example:27017,b.example:27017/careapp",
    "environment": "DATABASE_URL=postgresql://postgres:¤@db.example:5432/careapp?sslmode=require",
    "urllib, SplitResult": "SplitResult(scheme='postgresql', netloc='postgres:¤@db:5432', path='/c', query='', fragment='')",
    "git": "fatal: Authentication failed for 'https://x-access-token:¤@github.com/careapp/app.git/'",
}

NAMED = {
    "libpq": "host=db.example user=postgres password=¤ dbname=careapp",
    "psycopg, make_conninfo": "host=db.example user=postgres password='¤ x\\'y'",
    "psycopg, conninfo_to_dict": "{'user': 'postgres', 'password': '¤', 'dbname': 'careapp'}",
    "Django, settings_dict": "{'ENGINE': 'django.db.backends.postgresql', 'USER': 'postgres', 'PASSWORD': '¤', 'HOST': 'db'}",
    "Flask, app.config": "{'SECRET_KEY': '¤', 'SECRET_KEY_FALLBACKS': None}",
    "pydantic, a missing field": "  Field required [type=missing, input_value={'password': '¤'}, input_type=dict]",
    "pydantic, repr": "Settings(host='h', db_password='¤', port=5432)",
    "libpq's environment": "PGUSER=postgres PGPASSWORD=¤ PGHOST=db.example",
    "shell": "export SECRET_KEY=¤",
    "YAML": "  api_key: ¤",
    "JSON": '{"level": "info", "user": {"name": "bob", "passwd": "¤"}, "status": 200}',
    "JSON in JSON": '{"message": "got {\\"username\\": \\"postgres\\", \\"password\\": \\"¤\\"}", "level": "info"}',
    "JSON in JSON in JSON": '{"body": "{\\"m\\": \\"{\\\\\\"token\\\\\\": \\\\\\"¤\\\\\\"}\\"}"}',
    "botocore, debug log of GetSecretValue": 'Response body:\nb\'{"Name":"rds!db-1","SecretString":"¤","VersionStages":["AWSCURRENT"]}\'',
    "botocore, frozen credentials": "ReadOnlyCredentials(access_key='A', secret_key='¤', token='¤', account_id=None)",
    "~/.aws/credentials": "aws_secret_access_key = ¤",
    "tuples": "[('user', 'postgres'), ('password', '¤')]",
    "subprocess, an option": "Command '['mysqldump', '--password', '¤']' returned non-zero exit status 1.",
    "a command line": "redis-cli --user app --password ¤ ping",
    "SQLAlchemy, the statement": "[SQL: ALTER USER app WITH PASSWORD '¤']",
    "SQLAlchemy, its parameters": "[parameters: {'name': 'a', 'password': '¤'}]",
    "PostgreSQL, its log": "STATEMENT:  CREATE ROLE app LOGIN PASSWORD '¤';",
    "pydantic, SecretStr made from a value": "Settings(password=SecretStr('¤'))",
    "a masked one before it": "Settings(password=<REDACTED>,token=¤)",
    "Rails": "SECRET_KEY_BASE=¤",
    "PostgreSQL, with the password": 'FATAL: password authentication failed for user "bob" (password "¤")',
    "a sentence": "the client_secret is ¤ now",
    "a sentence with the user": "Password for user bob is ¤",
    "Japanese": "パスワード: ¤",
    "Japanese, full width": "トークン\uff1a¤",
    "mysql, the short option": "mysql -h db.example -u app -p¤ shop",
    "subprocess, the short option": "Command '['mysqldump', '-uapp', '-p¤', 'shop']' returned non-zero exit status 1.",
}

TOKENS = {
    "gunicorn, access log": '10.0.0.7 - - [28/Nov/2026:14:00:00 +0000] "GET /login?user=bob&access_token=¤ HTTP/1.1" 200 2 "-" "curl"',
    "requests, Max retries exceeded": "HTTPConnectionPool(host='127.0.0.1', port=1): Max retries exceeded with url: /v1/items?api_key=¤&page=2 (Caused by X)",
    "STS's answer": "<AccessKeyId>A</AccessKeyId><SecretAccessKey>¤</SecretAccessKey><SessionToken>¤</SessionToken>",
    "requests, headers": "{'Accept': '*/*', 'Authorization': 'Bearer ¤'}",
    "curl -v, basic": "> Authorization: Basic ¤",
    "http.client, debuglevel": "send: b'GET / HTTP/1.1\\r\\nHost: x\\r\\nAuthorization: Token ¤\\r\\n\\r\\n'",
    "a token in words": "rejected bearer 9¤ of client 7",
    "an own header": "X-Api-Key: ¤",
    "Flask, Set-Cookie": "Set-Cookie: session=¤; HttpOnly; Path=/",
    "WSGI, HTTP_COOKIE": "{'HTTP_COOKIE': 'theme=¤; sessionid=¤', 'REMOTE_ADDR': '10.0.0.7'}",
    "requests, cookie jar": "<RequestsCookieJar[<Cookie session=¤ for app.example/>]>",
    "a presigned URL": "https://b.s3.amazonaws.com/k?X-Amz-Date=20261128T000000Z&X-Amz-Security-Token=¤&X-Amz-Signature=¤",
}

PARTS = {
    "pydantic shortens": (
        "input_value='postgre://postgres:Kx7pW...db.example:5432/careapp', input_type=str]",
        "Kx7pW",
    ),
    "cut off": ("connecting to postgresql://postgres:Kx7pW9q", "Kx7pW9q"),
    "urllib, a # in the password": (
        "ValueError: Port could not be cast to integer value as 'Kx7pW9qz'",
        "Kx7pW9qz",
    ),
    "asyncpg, a # in the password": (
        "ValueError: invalid literal for int() with base 10: 'Kx7pW9qz'",
        "Kx7pW9qz",
    ),
    "httpx": ("httpx.InvalidURL: Invalid port: 'Kx7pW9qz'", "Kx7pW9qz"),
    "psycopg2, a / in the password": (
        'invalid integer value "Kx7pW9qz" for connection option "port"',
        "Kx7pW9qz",
    ),
    "psycopg, a % in the password": (
        'invalid percent-encoded token: "Kx7pW9qz%zz"',
        "Kx7pW9qz",
    ),
    "requests, a / in the password": (
        "requests.exceptions.InvalidURL: Failed to parse: 'svc:Kx7pW9qz' is not a valid host or port",
        "Kx7pW9qz",
    ),
    "an @ in the password": ("postgresql://postgres:Kx7p@W9qz@db.example/careapp", "W9qz"),
    "a password that is a word": ("redis://app:secret@cache.example/0", "secret"),
    "percent-encoded": ("postgresql://postgres:Kx7p%40W9qz@db.example/careapp", "W9qz"),
    "a JSON number": ('{"pwd": 48151623, "level": "info"}', "48151623"),
    "Signature Version 4": (
        "Authorization: AWS4-HMAC-SHA256 Credential=ASIAIOSFODNN7EXAMPLE/20261128/us-east-1/s3/aws4_request, "
        "SignedHeaders=host, Signature=" + "0a1b2c3d" * 8,
        "0a1b2c3d",
    ),
    "AWS, an access key": ("key ASIAIOSFODNN7EXAMPLE is not active", "ASIAIOSFODNN7EXAMPLE"),
    "PyJWT": (
        "got eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.hpRHIctdxFmV6IhdLVa8fcyuxToih",
        "hpRHIctdxFmV6IhdLVa8fcyuxToih",
    ),
    "GitHub": ("remote: ghp_" + "a1B2" * 9 + " was revoked", "a1B2a1B2"),
    "a URL in a URL": ("GET /login?next=%2Fin%3Fpassword%3DKx7pW9qz%26a%3D1 302", "Kx7pW9qz"),
    **{
        f"base64, {before!r} before it": (
            f"body {base64.b64encode(f'{before}password=Kx7pW9qz'.encode()).decode()} was refused",
            base64.b64encode(f"{before}password=Kx7pW9qz".encode()).decode()[-12:],
        )
        for before in ("", "x", "xy")
    },
    "Stripe": ("Invalid API Key provided: sk_" + "live_" + "a1B2" * 6, "a1B2a1B2"),
}
"""What is not a whole secret that any value could stand for: the line, and what must be gone."""

KEPT = (
    "pip install mysql-connector-python -prefix /x",
    "The secret is /careapp/poc/login-2",
    "the client token is i-0123456789abcdef0",
    "the secret is rotated-every-7-days.",
    'FATAL:  password authentication failed for user "postgres"',
    'connection to server at "db.example" (10.0.1.7), port 5432 failed: fe_sendauth: no password supplied',
    "GET /reset-password?next=/ 200",
    '10.0.0.7 - - [28/Nov/2026:14:00:00 +0000] "GET /password/reset HTTP/1.1" 302 0',
    "KeyError: 'SECRET_KEY'",
    "SECRET_KEY is missing",
    "django.core.exceptions.ImproperlyConfigured: The SECRET_KEY setting must not be empty.",
    "jwt.exceptions.ExpiredSignatureError: token expired",
    "Invalid token: expired",
    "CSRF token missing or incorrect.",
    "password: This field is required.",
    "redis.exceptions.AuthenticationError: invalid username-password pair or user is disabled.",
    "secret arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:rds!db-0a1b2c3d-AbCdEf:password::",
    'DB_SECRET_ARN=arn:aws:secretsmanager:ap-northeast-1:123456789012:secret:rds!db-0a1b-AbCdEf "x"',
    '"valueFrom": "arn:aws:ssm:ap-northeast-1:123456789012:parameter/careapp/token"',
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to"
    " retrieve secret from asm: service call has been retried 1 time(s): retrieved secret from Secrets Manager did not"
    " contain json key password",
    "An error occurred (UnrecognizedClientException): The security token included in the request is invalid.",
    "https://db.example:5432/careapp",
    "http://127.0.0.1:8080/users/a@b.example",
    "postgresql://postgres@db.example:5432/careapp",
    "postgresql://postgres:***@db.example/careapp",
    "https://0a1b2c3d@o1.ingest.sentry.io/7",
    "Listening at: http://0.0.0.0:8080 (1)",
    "Running on http://[::1]:8080",
    "Cannot connect to amqp://guest:**@127.0.0.1:5672//: [Errno 111] Connection refused.",
    "write to mailto:a@b.example or a@b.example",
    "redis.Connection(password=<REDACTED>,host=127.0.0.1,port=1,db=0)",
    "Settings(password=SecretStr('**********'))",
    "<connection object at 0x7f; dsn: 'user=postgres password=xxx host=db.example', closed: 0>",
    "{'SECRET_KEY': None, 'PASSWORD': ''}",
    "  + password: [secret]",
    "      ~ manageMasterUserPassword: true",
    "      token    : output<string>",
    "    engine = create_engine(url, password=settings.password)",
    '    url = f"postgresql://{user}:{password}@{host}/{name}"',
    "    connect(password=os.environ['DB_PASSWORD'], token=token)",
    "def connect(user: str, password: str, port: int) -> None:",
    "ValueError: invalid literal for int() with base 10: 'eighty'",
    "ValueError: invalid literal for int() with base 10: '30s'",
    "public.ecr.aws/docker/library/python:3.13-slim@sha256:" + "0a1b2c3d" * 8,
    "task 0a1b2c3d4e5f60718293a4b5c6d7e8f9 of careapp-poc:7 stopped",
    "X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678",
    "RequestId: 0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9",
    '{"requests": 3, "nextToken": "f/3721", "max_tokens": 4096, "token_type": "Bearer"}',
    'WWW-Authenticate: Bearer realm="api", error="invalid_token"',
    "Authorization header is missing",
    "PWD=/app OLDPWD=/",
    "the token is invalid, and the password is too short",
    "パスワード: 必須です",
    "パスワードは 8 文字以上です",
    "mysql -h db.example -P 3306 --port=3306 shop",
    "docker run -p8080:80 careapp",
    "the key of secret careapp/key is us-east-1",
    "pulumi config set --secret dbPassword",
    "docker login --username AWS --password-stdin 123456789012.dkr.ecr.ap-northeast-1.amazonaws.com",
    "-----BEGIN CERTIFICATE-----\nMIIDXTCCAkWgAwIBAgIJAJC1HiIAZAiIMA0GCSqGSIb3DQEBBQUAMEUxCzAJBgNV\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\n-----END PUBLIC KEY-----",
    'ERROR:  duplicate key value violates unique constraint "users_pkey"\nDETAIL:  Key (token)=(7) already exists.',
)
