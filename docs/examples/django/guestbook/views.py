"""The page, and the answer to the load balancer's health check."""

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import path

from guestbook.models import Visit


def up(get_response):
    """Answer /up before any other middleware, without the database, which may be away: healthPath."""
    return lambda request: HttpResponse("up") if request.path == "/up" else get_response(request)


def index(request):
    Visit.objects.create()
    return render(request, "guestbook.html", {"visits": Visit.objects.count()})


urlpatterns = [path("", index)]
