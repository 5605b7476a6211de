/** The home page; `host` is what the client calls this service, as in the Host header. */
export function homePage(host: string): string {
  const base = /^[a-z0-9.:[\]-]+$/i.test(host) ? host : "localhost";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Pelikuni</title>
<style>${homeStyle}</style>
</head>
<body>
<main>
<h1>Pelikuni</h1>
<p class="lead">A digital wallet: money moves between wallets, never twice, never half, and every
change leaves an event that an auditor can prove complete.</p>
<nav>
<a href="docs">API documentation</a>
<a href="openapi.json">OpenAPI 3.1</a>
<a href="wallets?page_size=10">Newest wallets</a>
<a href="health">Health</a>
</nav>
<h2>Three things to try</h2>
<p>Where an answer is 401, add <code>-H "Authorization: Bearer TOKEN"</code>, a token or an API key.</p>
<ol>
<li>Create two wallets:
<pre><code>curl ${base}/wallets \\
  -H 'Content-Type: application/json' -d '{"user_id":"alice"}'
curl ${base}/wallets \\
  -H 'Content-Type: application/json' -d '{"user_id":"bob"}'</code></pre></li>
<li>Bring money into alice's. The key makes the request safe to repeat:
<pre><code>curl ${base}/wallets/ALICES_ID/fund \\
  -H 'Content-Type: application/json' -d '{"amount":"100.00"}' \\
  -H 'Idempotency-Key: ALICES_ID-first'</code></pre></li>
<li>Move some of it to bob. The answer is his wallet:
<pre><code>curl ${base}/wallets/ALICES_ID/transfer \\
  -H 'Content-Type: application/json' \\
  -d '{"to_wallet_id":"BOBS_ID","amount":"25.50"}'</code></pre></li>
</ol>
</main>
</body>
</html>
`;
}

/** The documentation page; scripts come from files of this service only. */
export const docsPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Pelikuni API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
</head>
<body>
<div id="docs"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
`;

/** Starts the documentation page. */
export const docsScript = `SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  tryItOutEnabled: true,
});
`;

const homeStyle = `
:root { color-scheme: light dark; --ink: #16302b; --paper: #fbfaf6; --card: #fff; --line: #dcd8cc;
  --accent: #0b6e5f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6efe9; --paper: #10201d; --card: #172b27; --line: #2b443e; --accent: #5fd0b8; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 17px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 4rem 1.5rem; }
h1 { margin: 0; font-size: 3rem; letter-spacing: -0.03em; }
h2 { margin: 2.5rem 0 0.5rem; font-size: 1.25rem; }
.lead { margin: 0.5rem 0 1.5rem; font-size: 1.2rem; }
nav { display: flex; flex-wrap: wrap; gap: 0.6rem; }
a { color: var(--accent); }
nav a { padding: 0.4rem 0.9rem; border: 1px solid var(--line); border-radius: 2rem;
  background: var(--card); text-decoration: none; }
nav a:hover { border-color: var(--accent); }
ol { padding-left: 1.2rem; }
li { margin: 1.2rem 0; }
pre { margin: 0.5rem 0 0; padding: 0.9rem 1rem; overflow-x: auto; border: 1px solid var(--line);
  border-radius: 0.6rem; background: var(--card); font-size: 0.85rem; }
`;
