#include "server/assets.h"

#include <array>

namespace greenroom::server {

namespace {

constexpr std::string_view kPage = R"html(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>greenroom</title>
<link rel="stylesheet" href="assets/page.css">
<script src="assets/page.js" defer></script>
</head>
<body>
<header><h1>greenroom</h1><span class="muted" id="about"></span></header>
<p id="error" role="alert"></p>
<h2 data-en="Devices" data-zh="设备"></h2><div id="devices"></div>
<h2 data-en="Models" data-zh="模型"></h2><div id="models"></div>
<h2 data-en="Convert a recording" data-zh="转换录音"></h2>
<pre>./run convert --model demo/alto/model_0.pt IN.wav OUT.wav</pre>
</body>
</html>
)html";

constexpr std::string_view kStyle =
    R"css(:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); --fill: #2f8f5b; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 2rem 1rem; }
header { display: flex; align-items: baseline; gap: 1rem; flex-wrap: wrap; }
h1 { margin: 0; font-size: 1.6rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .4rem .6rem .4rem 0; border-bottom: 1px solid var(--line); }
td.n { text-align: right; font-variant-numeric: tabular-nums; } .muted { opacity: .7; } .file { word-break: break-all; }
.bar { height: .6rem; border-radius: .3rem; background: var(--line); overflow: hidden; } .bar i { display: block; height: 100%; background: var(--fill); }
#error, .bad { color: #b3261e; } pre { padding: .8rem; overflow: auto; border: 1px solid var(--line); border-radius: .4rem; }
)css";

constexpr std::string_view kScript = R"js(const zh = navigator.language.toLowerCase().startsWith('zh');
if (zh) document.documentElement.lang = 'zh';
for (const e of document.querySelectorAll('[data-en]')) e.textContent = zh ? e.dataset.zh : e.dataset.en;
const text = (en, cn) => zh ? cn : en;
const size = n => { let u = 0; while (n >= 1024 && u < 4) { n /= 1024; u++; } return n.toFixed(u ? 1 : 0) + ' ' + ['B', 'KiB', 'MiB', 'GiB', 'TiB'][u]; };
const make = (tag, content, cls) => { const e = document.createElement(tag); if (content !== undefined) e.textContent = content; if (cls) e.className = cls; return e; };
function row(cells, tag) { const r = make('tr'); for (const [c, cls] of cells) r.append(make(tag || 'td', c, cls)); return r; }
function showDevice(d) {
  const box = make('div'), l = d.ledger, used = l.reserved + l.resident + l.workspace;
  box.append(make('p', `${d.id} — ${d.name}: ` + text(`${size(used)} of ${size(l.capacity)} in use`, `已用 ${size(used)} / ${size(l.capacity)}`)));
  const bar = make('div', undefined, 'bar'), fill = make('i'); fill.style.width = (l.capacity ? 100 * used / l.capacity : 0) + '%'; bar.append(fill); box.append(bar);
  if (d.problem) box.append(make('p', d.problem, 'bad'));
  if (d.components.length) {
    const t = make('table'); t.append(row([[text('component', '组件')], [text('size', '大小'), 'n'], [text('models', '模型'), 'n'], [text('file', '文件')]], 'th'));
    for (const c of d.components) t.append(row([[c.kind], [size(c.bytes), 'n'], [c.models.length, 'n'], [c.file, 'file muted']]));
    box.append(t);
  }
  return box;
}
async function refresh() {
  try {
    const s = await (await fetch('api/v1/status')).json();
    document.getElementById('about').textContent = text(`version ${s.version}, up ${Math.round(s.uptime_seconds)} s`, `版本 ${s.version}，已运行 ${Math.round(s.uptime_seconds)} 秒`);
    document.getElementById('devices').replaceChildren(...s.devices.map(showDevice));
    const t = make('table');
    for (const m of s.models) t.append(row([[m.id, 'file'], [m.status], [m.device], [size(m.bytes), 'n']]));
    document.getElementById('models').replaceChildren(s.models.length ? t : make('p', text('No model is loaded.', '没有已加载的模型。'), 'muted'));
    document.getElementById('error').textContent = '';
  } catch (e) { document.getElementById('error').textContent = text('The server does not answer.', '服务器没有响应。'); }
  setTimeout(refresh, 2000);
}
refresh();
)js";

constexpr std::array<Asset, 3> kAssets = {{
    {.path = "/", .content_type = "text/html; charset=utf-8", .body = kPage},
    {.path = "/assets/page.css", .content_type = "text/css; charset=utf-8", .body = kStyle},
    {.path = "/assets/page.js", .content_type = "text/javascript; charset=utf-8", .body = kScript},
}};

}  // namespace

std::span<const Asset> assets() {
  return kAssets;
}

}  // namespace greenroom::server
