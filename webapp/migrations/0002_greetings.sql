-- What the page says first, so that a look at it proves that the database was read.
CREATE TABLE greetings (
    language text PRIMARY KEY,
    greeting text NOT NULL
);

INSERT INTO greetings (language, greeting) VALUES
    ('en', 'Hello ECS'),
    ('ja', 'こんにちは、ECS');
