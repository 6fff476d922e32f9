"""The pages that a person sees who signs in."""

_FRAME = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>
  body {{ max-width: 32rem; margin: 3rem auto; padding: 0 1rem; font: 1rem/1.5 sans-serif }}
  button {{ display: block; width: 100%; margin: .5rem 0; padding: .6rem; font: inherit }}
</style>
<main>
<h1>{title}</h1>
{content}
</main>
</html>
"""

PAGE = _FRAME.format(
    title="Sign in to GitHub's stand-in",
    content="""<p>{{ app.slug }} asks who you are. Nobody here is real: choose one.</p>
<form method="post" action="/login/oauth/authorize">
{% for name, value in kept.items() %}<input type="hidden" name="{{ name }}" value="{{ value }}">
{% endfor %}
{% for user in users %}<button name="login" value="{{ user.account.login }}">\
Sign in as {{ user.account.login }}{% if user.name %} ({{ user.name }}){% endif %}</button>
{% endfor %}
<button name="refuse" value="1">Refuse</button>
</form>""",
)
"""A template: *app*, *users*, and the fields *kept* from the request."""

REFUSED_PAGE = _FRAME.format(
    title="Be careful!",
    content="<p>The <code>redirect_uri</code> is not associated with this application:"
    " <code>{{ target }}</code></p>",
)
"""A template: the address *target*, to which nobody is sent."""
