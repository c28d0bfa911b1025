"""The texts of the pages in Japanese and English, and the choice between the two."""

from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from flask import Flask, request
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

LANGUAGES = ("en", "ja")
# The time zone that the page shows for each language.
ZONES = {"en": UTC, "ja": timezone(timedelta(hours=9), "JST")}

PAIRS = {
    "description": (
        "A Flask app on ECS Fargate with PostgreSQL on RDS",
        "ECS Fargate と RDS for PostgreSQL で動く Flask アプリ",
    ),
    "skip": ("Skip to content", "本文へ移動"),
    "greeting": ("Hello ECS", "こんにちは、ECS"),
    "logged_in": ("Logged in as", "ログイン中"),
    "lead": (
        "This page was served by a container on ECS Fargate and read from RDS.",
        "このページは ECS Fargate 上のコンテナが RDS から読み込んで表示しています。",
    ),
    "lead_away": (
        "This page was served by a container on ECS Fargate, without its database.",
        "このページは ECS Fargate 上のコンテナが、データベースなしで表示しています。",
    ),
    "database": ("Database", "データベース"),
    "connected": ("Connected", "接続中"),
    "away": ("Not available", "利用できません"),
    "away_why": (
        "The database does not answer at the moment. Please try again in a few seconds.",
        "現在、データベースが応答していません。数秒後にもう一度お試しください。",
    ),
    "visits": ("Visits", "訪問数"),
    "version": ("Version", "バージョン"),
    "task": ("Answered by task", "応答したタスク"),
    "newest": ("Latest visits", "最近の訪問"),
    "newest_none": ("You are the first visitor.", "最初の訪問者です。"),
    "when": ("Time", "日時"),
    "language": ("Language", "言語"),
    "by": ("Task", "タスク"),
    "this_one": ("this visit", "今回の訪問"),
    "home": ("Back to the front page", "トップページへ戻る"),
    "language_en": ("English", "英語"),
    "language_ja": ("Japanese", "日本語"),
    "error_400": ("The request could not be understood.", "リクエストを理解できませんでした。"),
    "error_404": ("There is no such page.", "ページが見つかりません。"),
    "error_405": (
        "This page does not accept that kind of request.",
        "このページでは、その種類のリクエストは受け付けていません。",
    ),
    "error_413": ("The request is too large.", "リクエストが大きすぎます。"),
    "error_500": (
        "Something went wrong on our side. It has been logged.",
        "サーバー側で問題が発生しました。記録済みです。",
    ),
    "error_503": (
        "The service is not available at the moment. Please try again shortly.",
        "現在サービスを利用できません。しばらくしてからもう一度お試しください。",
    ),
    "error_other": ("The request could not be answered.", "リクエストに応答できませんでした。"),
    "request": ("Request", "リクエスト"),
}
TEXTS = {
    language: {name: pair[place] for name, pair in PAIRS.items()}
    for place, language in enumerate(LANGUAGES)
}


def init_app(app: Flask) -> None:
    """Pass the texts in the visitor's language to every template, as `t`."""
    app.context_processor(_for_templates)


def _for_templates() -> dict[str, Any]:
    chosen = language()
    return {
        "language": chosen,
        "t": TEXTS[chosen],
        "zone": ZONES[chosen],
        "local_time": lambda moment: local_time(moment, chosen),
    }


def language() -> str:
    """Return the language of the current request."""
    return language_of(request.headers.get("Accept-Language", ""))


def current() -> dict[str, str]:
    """Return the texts in that language."""
    return TEXTS[language()]


@lru_cache(maxsize=256)
def language_of(accept_language: str) -> str:
    """Return the language for an Accept-Language header, English by default.

    werkzeug's best_match prefers `en;q=0.1` to `ja-JP`, because only the former matches exactly.
    """
    for tag, quality in parse_accept_header(accept_language, LanguageAccept):
        language = tag.lower().partition("-")[0]
        if quality > 0 and language in LANGUAGES:
            return language
    return "en"


def local_time(moment: datetime, language: str) -> str:
    """Return date and time in the language's time zone."""
    return f"{moment.astimezone(ZONES[language]):%Y-%m-%d %H:%M:%S}"
