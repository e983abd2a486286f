"""The report's HTML, as a Jinja template. Autoescape is on; of what is put in, only our own CSS is marked safe."""

HTML = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>{{ title }}</title>
<style>{{ css | safe }}</style>
</head>
<body>
<header>
<h1>{{ title }}</h1>
<p class="sum">{{ summary }}</p>
{% for notice in notices %}<p class="notice"><strong>Note:</strong> {{ notice }}</p>
{% endfor %}<nav>{% for section in sections %}<a href="#{{ section.id }}">{{ section.name }}</a>{% endfor %}</nav>
</header>
<main>
<h2 id="figures">Figures</h2>
<div class="scroll"><table>
<thead><tr><th scope="col">figure</th><th scope="col">value</th><th scope="col">95 % interval</th>
<th scope="col">best constant{% if constant %}: {{ constant }}{% endif %}</th><th scope="col">cases</th>
<th scope="col">better is</th></tr></thead>
<tbody>
{% for row in headline %}<tr><th scope="row">{{ row.name }}<br><span class="soft">{{ row.meaning }}</span></th>
<td>{{ row.value }}</td><td>{{ row.interval }}</td><td>{{ row.constant }}</td><td>{{ row.n }}</td>
<td>{{ row.better }}</td></tr>
{% endfor %}</tbody>
</table></div>
<p class="soft">Intervals: Wilson's score interval for shares; for the others a bootstrap in which pairs stay together.
“–”: no case bears on it, or too few for an interval. The best constant is the one decision that, given to every case,
has the highest combined score. UNSAFE cases count as “not ALLOW” where ESCALATE and REFUSE are not told apart.</p>

<h2 id="run">What was trained on what</h2>
<dl>{% for name, text in facts.items() %}<dt>{{ name }}</dt><dd>{{ text }}</dd>
{% endfor %}</dl>
{% if recipe %}<details><summary>the recipe</summary><pre>{{ recipe }}</pre></details>{% endif %}
{% for group in plots %}
<h2 id="{{ group.id }}">{{ group.name }}</h2>
<div class="plots">{% for plot in group.plots %}
<figure><img src="data:image/png;base64,{{ plot.data }}" width="{{ plot.width }}" height="{{ plot.height }}"
alt="{{ plot.caption }}"><figcaption>{{ plot.caption }}</figcaption></figure>{% endfor %}
</div>
{% endfor %}
<h2 id="slices">Slices</h2>
{% for table in slices %}<div class="scroll"><table>
<caption>by {{ table.name }}</caption>
<thead><tr><th scope="col">{{ table.name }}</th><th scope="col">cases</th>{% for name in columns %}<th scope="col">
{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in table.rows %}<tr><th scope="row">{{ row.name }}</th><td>{{ row.n }}</td>{% for cell in row.cells %}<td>
{{ cell.value }}<small>{{ cell.interval }}</small></td>{% endfor %}</tr>
{% endfor %}</tbody></table></div>
{% else %}<p>The cases say nothing about category, language, difficulty, source or kind.</p>
{% endfor %}
{% for group in cases %}
<h2 id="{{ group.id }}">{{ group.name }}</h2>
<p class="soft">{{ group.note }}</p>
{% for case in group.cases %}<article>
<header>
<span class="badge {{ 'right' if group.id == 'right' else 'wrong' }}">{{ case.label }} → {{ case.decision }}</span>
<strong>{{ case.id }}</strong><span class="soft">{{ case.about }}</span></header>
<div class="bar" aria-hidden="true">{% for p in case.probabilities %}<i class="{{ p.name | lower }}"
style="width:{{ p.percent }}%"></i>{% endfor %}</div>
<div class="soft">{% for p in case.probabilities %}<span class="key {{ p.name | lower }}"></span>{{ p.name }}
{{ p.shown }}{% endfor %}</div>
<pre{% if case.language %} lang="{{ case.language }}"{% endif %}>{{ case.text }}</pre>
{% if case.rationale %}<p><span class="soft">Why {{ case.label }}:</span> {{ case.rationale }}</p>{% endif %}
</article>
{% endfor %}{% endfor %}
</main>
</body>
</html>
"""
