'use strict';
// Everything from the data island is text: it reaches the page through textContent and drawing calls only.
const data = JSON.parse(document.getElementById('data').textContent);
const report = data.report, tokens = report.tokens, T = tokens.length, L = data.layers, position = report.target.position;
const $ = id => document.getElementById(id);
const make = (tag, text, cls) => {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (cls) e.className = cls;
  return e;
};

// Names controls, format characters and lone bytes instead of showing them.
function visible(text) {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, c => {
    if (c === '\n') return '\u23ce';
    if (c === '\t') return '\u21e5';
    return '\\u{' + c.codePointAt(0).toString(16) + '}';
  });
}
function nameOf(token) {
  if (token.bytes) return token.bytes.replace(/../g, byte => {
    const code = parseInt(byte, 16);
    return code > 31 && code < 127 ? String.fromCharCode(code) : '<' + byte.toUpperCase() + '>';
  });
  return token.text === '' ? '<' + token.id + '>' : visible(token.text);
}
const names = tokens.map(nameOf);

// Tokens joined into what a person reads: whole characters always, words or sentences on request; scores are summed.
function bytesOf(token) {
  return token.bytes ? token.bytes.match(/../g).map(byte => parseInt(byte, 16)) : [...new TextEncoder().encode(token.text)];
}
function unitsBy(by) {
  const out = [];
  let at = 0;
  const single = end => {
    for (; at < end; ++at) out.push({first: at, last: at + 1, name: names[at]});
  };
  for (const [first, last] of data.groups[by]) {
    single(first);
    const bytes = tokens.slice(first, last).flatMap(bytesOf);
    out.push({first, last, name: visible(new TextDecoder().decode(new Uint8Array(bytes)))});
    at = last;
  }
  single(T);
  return out;
}
let units = [], unitOf = [];
const unitScore = (unit, scores) => {
  let sum = 0;
  for (let i = unit.first; i < unit.last; ++i) sum += scores[i];
  return sum;
};
const number = (v, digits = 4) => v === null || v === undefined ? '\u2013' : Math.abs(v) >= 1e5 || (v !== 0 && Math.abs(v) < 1e-3) ? v.toExponential(1) : v.toFixed(digits);

function decode(field) {  // little-endian integers in base64 -> numbers
  if (!field) return null;
  const raw = atob(field.data), step = field.bits / 8, shift = 32 - field.bits, out = new Float32Array(raw.length / step);
  for (let i = 0; i < out.length; ++i) {
    let v = 0;
    for (let b = step - 1; b >= 0; --b) v = v << 8 | raw.charCodeAt(i * step + b);
    out[i] = (v << shift >> shift) * field.scale;
  }
  return out;
}

// What can be looked at for each method: its maps, then the paths of its gradient.
const views = report.methods.map((m, i) => {
  const extra = data.methods[i];
  const list = extra.maps.map(map => ({name: map.fidelity, scores: map.scores || m.scores, layers: decode(map.layers)}));
  if (m.selection) list.push({name: 'selection (write, decay, read, gate)', scores: m.selection, layers: null});
  (extra.paths || []).forEach(path => list.push({name: path.name + ' path', scores: path.scores, layers: decode(path.layers)}));
  return list;
});

const state = {method: data.shown, map: 0, by: data.by, token: position, layer: L - 1, magnitude: false, range: position >= 2048 ? 256 : 0};
const view = () => views[state.method][state.map];
const targeted = () => report.methods[state.method].targeted;
const peak = values => {
  let top = 0;
  for (const v of values) if (Number.isFinite(v)) top = Math.max(top, Math.abs(v));
  return top;
};

const isDark = () => {
  const theme = document.documentElement.dataset.theme;
  return theme ? theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
};
const arms = {dark: [[0x16, 0x16, 0x16], [0xfd, 0x9a, 0x3a], [0x6f, 0xa8, 0xf5]], light: [[0xff, 0xff, 0xff], [0xd9, 0x5f, 0x02], [0x2c, 0x5f, 0xb8]]};
function color(relative) {
  const [zero, raise, lower] = arms[isDark() ? 'dark' : 'light'];
  const v = state.magnitude ? Math.abs(relative) : relative, arm = v < 0 ? lower : raise;
  const t = Math.pow(Math.min(Math.abs(v) || 0, 1), 0.7);
  return zero.map((z, i) => Math.round(z + (arm[i] - z) * t));
}
function textOn(rgb) {  // black or white, whichever contrasts more: at least 4.5 on any background
  const [r, g, b] = rgb.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? '#000' : '#fff';
}
const css = rgb => 'rgb(' + rgb.join(',') + ')';

// A scale from the largest negative to the largest positive value, or of sizes alone, with what the ends mean.
function paintScale(id, top) {
  const box = $(id), canvas = box.querySelector('canvas'), g = canvas.getContext('2d');
  for (let x = 0; x < canvas.width; ++x) {
    const t = x / (canvas.width - 1);
    g.fillStyle = css(color(state.magnitude ? t : 2 * t - 1));
    g.fillRect(x, 0, 1, canvas.height);
  }
  const [low, high] = targeted() ? ['lowers it', 'raises it'] : ['negative', 'positive'];
  box.querySelector('.low').textContent = state.magnitude ? '0' : low + ' ' + number(-top, 3);
  box.querySelector('.high').textContent = state.magnitude ? number(top, 3) + ', whatever the sign' : '+' + number(top, 3) + ' ' + high;
}

// ---- token strip
let spans = [];  // of the units
function buildStrip() {
  const strip = $('strip'), size = 256;
  units = unitsBy(state.by);
  $('h-tokens').textContent = 'What each ' + state.by + ' counts for';
  units.forEach((unit, u) => unitOf.fill(u, unit.first, unit.last));
  spans = units.map((unit, u) => {
    const span = make('span', unit.name, unit.first > position ? 'token after' : 'token');
    span.dataset.i = unit.first;
    return span;
  });
  strip.classList.toggle('long', units.length > 4 * size);
  strip.replaceChildren();
  const ends = u => tokens[units[u].last - 1].text.endsWith('\n');
  for (let first = 0, end = 0; first < units.length; first = end) {  // a block begins a line, so it ends with one if it can
    const block = make('span', undefined, 'block');
    for (end = first + 1; end < units.length && (end - first < size || (!ends(end - 1) && end - first < 8 * size)); ++end) {}
    let letters = 0;
    for (let u = first; u < end; ++u) {
      block.append(spans[u]);
      letters += units[u].name.length;
      if (ends(u)) block.append(make('br'));
    }
    const perLine = Math.max(10, strip.clientWidth / 9);
    block.style.containIntrinsicSize = 'auto ' + Math.ceil(letters / perLine) * 28 + 'px';
    strip.append(block);
  }
  const predicted = make('span', bare(nameOf({id: report.target.id, text: report.target.text})), 'token predicted');
  predicted.title = 'the predicted token';
  spans[unitOf[position]].after(predicted);
}
function paintStrip() {
  const scores = units.map(unit => unit.first > position ? 0 : unitScore(unit, view().scores)), top = peak(scores);
  units.forEach((unit, u) => {
    const relative = top > 0 && Number.isFinite(scores[u]) ? scores[u] / top : 0, style = spans[u].style;
    const rgb = Math.abs(relative) < 0.02 ? null : color(relative);
    style.background = rgb ? css(rgb) : '';
    style.color = rgb ? textOn(rgb) : '';
  });
  paintScale('scale', top);
}

// ---- layer x token ribbon
const columns = position + 1;
function shownTokens() {  // [first, count]
  const count = Math.min(state.range || columns, columns);
  return [Math.max(0, Math.min(state.token - Math.floor(count / 2), columns - count)), count];
}
function paintRibbon() {
  const layers = view().layers;
  $('ribbon-section').hidden = !layers;
  if (!layers) return;
  const canvas = $('ribbon'), ratio = window.devicePixelRatio || 1, rowHeight = Math.max(6, Math.min(22, Math.floor(360 / L)));
  const width = canvas.clientWidth || 800, height = rowHeight * L;
  canvas.style.height = height + 'px';
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const [first, count] = shownTokens(), bins = Math.min(count, canvas.width), cell = new Float32Array(bins * L);
  for (let l = 0; l < L; ++l) {
    for (let t = 0; t < count; ++t) {  // a bin shows its strongest token
      const at = l * bins + Math.floor(t * bins / count), v = layers[l * T + first + t];
      if (Math.abs(v) > Math.abs(cell[at])) cell[at] = v;
    }
  }
  const top = peak(cell) || 1, image = new ImageData(bins, L);
  for (let l = 0; l < L; ++l) {
    for (let b = 0; b < bins; ++b) {
      const at = 4 * ((L - 1 - l) * bins + b);  // the last layer on top
      image.data.set(color(cell[l * bins + b] / top), at);
      image.data[at + 3] = 255;
    }
  }
  const small = document.createElement('canvas');
  small.width = bins;
  small.height = L;
  small.getContext('2d').putImageData(image, 0, 0);
  const g = canvas.getContext('2d');
  g.imageSmoothingEnabled = false;
  g.drawImage(small, 0, 0, canvas.width, canvas.height);
  $('shown').textContent = 'tokens ' + first + ' to ' + (first + count - 1);
  paintScale('ribbon-scale', top);
  paintAxes(first, count, rowHeight);
  if (state.token < columns) {
    g.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue('--mark');
    g.lineWidth = ratio;
    const w = canvas.width / count, h = canvas.height / L, x = (state.token - first) * w;
    g.strokeRect(x, 0, Math.max(w, 2), canvas.height);
    g.strokeRect(x, (L - 1 - state.layer) * h, Math.max(w, 2), h);
  }
}

// Layers upwards, tokens to the right: their words where there is room, else their numbers.
function paintAxes(first, count, rowHeight) {
  const every = Math.max(1, Math.ceil(14 / rowHeight)), layers = [];
  for (let l = 0; l < L; l += every) {
    const label = make('span', 'layer ' + l);
    label.style.bottom = (l + 0.5) * rowHeight + 'px';
    layers.push(label);
  }
  $('layer-axis').replaceChildren(...layers);
  const width = $('ribbon').clientWidth || 800, cell = width / count, named = cell >= 14, labels = [];
  const step = named ? 1 : [1, 2, 5, 10, 20, 50].flatMap(s => [s, 100 * s, 10000 * s]).sort((a, b) => a - b).find(s => s * cell >= 56) || count;
  for (let t = Math.ceil(first / step) * step; t < first + count; t += step) {
    const label = make('span', named ? names[t].trim() || names[t] : String(t), named ? 'word' : '');
    label.style.left = (t - first + 0.5) * cell + 'px';
    labels.push(label);
  }
  const longest = Math.max(...labels.map(label => label.textContent.length));
  $('token-axis').style.height = named ? Math.min(5.5, 0.5 + 0.5 * longest) + 'rem' : '';
  $('token-axis').replaceChildren(...labels);
  $('axis-name').textContent = named ? '' : 'token number';
}

// ---- tables
const extra = ['share', 'strongest in layer'];  // columns that a narrow screen goes without
function table(head, rows, textColumn) {
  const out = make('table'), row = make('tr');
  const put = (tr, tag, c, i) => {
    const cell = c instanceof Node ? make(tag, undefined, 'bar') : make(tag, c, i === textColumn ? 'text' : extra.includes(head[i]) ? 'wide' : '');
    if (c instanceof Node) cell.append(c);
    if (tag === 'td' && typeof head[i] === 'string') cell.dataset.of = head[i];  // its column, for a screen too narrow for columns
    tr.append(cell);
  };
  head.forEach((h, i) => put(row, 'th', h, i));
  const thead = make('thead'), body = make('tbody');
  thead.append(row);
  rows.forEach(r => {
    const tr = make('tr');
    r.cells.forEach((c, i) => put(tr, 'td', c, i));
    if (r.pick !== undefined) {
      tr.className = 'pick';
      tr.onclick = () => select(r.pick, state.layer);
    }
    body.append(tr);
  });
  out.append(thead, body);
  return out;
}
function svg(name, attributes) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  return e;
}
const W = 160;  // of a bar; 0 lies in its middle, or at the left when only sizes are shown
const zero = () => state.magnitude ? 0 : W / 2;
function axis(low, high) {
  const out = svg('svg', {viewBox: '0 0 ' + W + ' 14', class: 'axis'});
  const put = (x, anchor, text) => {
    const t = svg('text', {x, y: 11, 'text-anchor': anchor});
    t.textContent = text;
    out.append(t);
  };
  if (!state.magnitude) put(0, 'start', low);
  put(zero(), state.magnitude ? 'start' : 'middle', '0');
  put(W, 'end', high);
  return out;
}
const axisOf = top => axis(number(-top, 2), number(top, 2));
function bar(relative) {
  const out = svg('svg', {viewBox: '0 0 ' + W + ' 12', preserveAspectRatio: 'none'}), v = Math.max(-1, Math.min(1, relative || 0));
  const w = Math.abs(v) * (W - zero()), left = v < 0 && !state.magnitude;
  out.append(svg('line', {x1: zero(), x2: zero(), y1: 0, y2: 12}),
    svg('rect', {x: left ? zero() - w : zero(), width: w, y: 1, height: 10, fill: css(arms[isDark() ? 'dark' : 'light'][left ? 2 : 1])}));
  return out;
}
const bare = name => name.trim() || name;  // a leading space is the tokenizer's
function paintSources() {
  const scores = units.map(unit => unitScore(unit, view().scores)), layers = view().layers, top = peak(scores) || 1;
  let total = 0;
  for (const s of scores) total += Math.abs(s) || 0;
  const order = scores.map((s, u) => u).filter(u => scores[u]).sort((a, b) => Math.abs(scores[b]) - Math.abs(scores[a]) || a - b).slice(0, 20);
  const strongest = unit => {
    const sizes = Array.from({length: L}, (_, l) => Math.abs(unitScore(unit, layers.subarray(l * T, (l + 1) * T))));
    return String(sizes.indexOf(Math.max(...sizes)));
  };
  $('sources-scale').textContent = state.magnitude ? 'Sizes, whatever the sign.' : targeted() ? 'Bars to the right raise the target, bars to the left lower it.' : 'Bars to the right: positive weight; to the left: negative.';
  $('sources').replaceChildren(table([state.by, axisOf(top), 'score', 'share', 'position'].concat(layers ? ['strongest in layer'] : []),
    order.map(u => ({pick: units[u].first, cells: [bare(units[u].name), bar(scores[u] / top), number(scores[u]), total ? (100 * Math.abs(scores[u]) / total).toFixed(1) + ' %' : '', String(units[u].first)].concat(layers ? [strongest(units[u])] : [])})), 0));
}
function paintDetail() {
  const t = state.token, scores = view().scores, layers = view().layers;
  $('detail').textContent = 'Token ' + t + ' of ' + (T - 1) + ': "' + names[t] + '" (id ' + tokens[t].id + '), score ' + number(scores[t]) +
    (t > position ? ', after the target: it plays no part' : '') + (layers ? ', layer ' + state.layer + ': ' + number(layers[state.layer * T + t]) : '');
  $('by-method').replaceChildren(make('p', 'By method, as a part of the largest score each gives', 'legend'), table(['method', axis('-100 %', '100 %'), 'score'], views.flatMap((list, i) => list.map(v => (
    {cells: [report.methods[i].name + ', ' + v.name, bar(v.scores[t] / (peak(v.scores) || 1)), number(v.scores[t])]}))), 0));
  if (!layers) return $('by-layer').replaceChildren();
  const column = Array.from({length: L}, (_, l) => layers[l * T + t]), top = peak(column) || 1;
  $('by-layer').replaceChildren(make('p', 'By layer', 'legend'), table(['layer', axisOf(top), view().name], column.map((v, l) => ({cells: [String(l), bar(v / top), number(v)]}))));
}
const interval = (range, spelled) => range ? ' [' + range.map(spelled).join(', ') + ']' : '';  // 95 %
function paintChecks() {
  $('methods').replaceChildren(table(['method', 'sum', 'state before', 'no token', 'through skip', 'target', 'residual', 'edits', 'rank correlation', 'sign agreement', 'note'],
    report.methods.map(m => ({cells: [m.name, number(m.sum), number(m.initial_state_share), number(m.bias_share), number(m.skip_share), number(m.target_value),
      m.residual === null ? 'none' : number(m.residual), m.causal ? String(m.causal.edits) : '\u2013', m.causal ? number(m.causal.spearman, 3) + interval(m.causal.spearman_interval, v => v.toFixed(2)) : '\u2013',
      m.causal && m.causal.sign_agreement !== null ? (100 * m.causal.sign_agreement).toFixed(0) + ' %' + interval(m.causal.sign_interval, v => (100 * v).toFixed(0)) : '\u2013', m.label || '']})), 0));
  const shares = report.methods.filter(m => Object.keys(m.shares || {}).length).map(m => m.name + ' through (summed over layers, each counts again) ' + Object.entries(m.shares).map(([k, v]) => k + ' ' + number(v, 3)).join(', '));
  $('checks').textContent = (shares.length ? shares.join('; ') + '. ' : '') + 'A residual says whether the parts add up, not whether they are true; methods without one are no decomposition of the target. \u201cNo token\u201d is the part that the biases carry, which depends on the text as well. Edits are tokens before the last one, really replaced or removed and run again; the 95 % intervals are those of these edits of one text. Methods whose scores do not know the target predict no sign and have no figures. ' +
    report.seconds.toFixed(2) + ' s, ' + (report.peak_bytes / 1e6).toFixed(0) + ' MB.';
  $('layers').replaceChildren(table(['layer', 'kind', 'largest residual'], report.layers.map(l => ({cells: [String(l.layer), l.kind, number(l.max_residual)]})), 1));
}

// ---- state
let selected = null;
function bringIntoView(tries = 10) {  // blocks on the way get their real heights as they come into view
  const strip = $('strip'), box = strip.getBoundingClientRect(), at = selected.getBoundingClientRect();
  if (at.top >= box.top && at.bottom <= box.bottom) return;
  strip.scrollTop += at.top - box.top - box.height / 2;
  if (tries > 0) requestAnimationFrame(() => bringIntoView(tries - 1));
}
function select(t, layer, scroll = true) {
  state.token = Math.max(0, Math.min(t, T - 1));
  state.layer = Math.max(0, Math.min(layer, L - 1));
  if (selected) selected.classList.remove('selected');
  selected = spans[unitOf[state.token]];
  selected.classList.add('selected');
  if (scroll) bringIntoView();
  paintRibbon();
  paintDetail();
}
function fillMaps() {
  $('map').replaceChildren(...views[state.method].map((v, i) => {
    const o = make('option', v.name);
    o.value = i;
    return o;
  }));
}
function setMethod(i) {
  state.method = i;
  state.map = 0;
  $('method').value = i;
  fillMaps();
  paintAll();
}
function setBy(by) {
  state.by = $('by').value = by;
  buildStrip();
  paintAll();
}
function setMap(i) {
  state.map = i;
  $('map').value = i;
  paintAll();
}
function paintAll() {
  paintStrip();
  paintSources();
  paintChecks();
  select(state.token, state.layer, false);
}

const moves = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1], Home: [-T, 0], End: [T, 0]};
addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || /SELECT|INPUT|SUMMARY/.test(e.target.tagName)) return;
  const onPicture = e.target === $('strip') || e.target === $('ribbon');
  if (moves[e.key] && (onPicture || e.key === 'ArrowLeft' || e.key === 'ArrowRight')) select(state.token + moves[e.key][0], state.layer + moves[e.key][1]);
  else if (e.key === 'm') setMethod((state.method + 1) % views.length);
  else if (e.key === 'd') setMap((state.map + 1) % views[state.method].length);
  else if (e.key === 's') $('magnitude').click();
  else if (e.key === 't') setTheme(isDark() ? 'light' : 'dark');
  else return;
  e.preventDefault();
});
function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  $('theme').value = theme;
  paintAll();
}
const tokenAt = e => e.target.dataset && e.target.dataset.i !== undefined ? Number(e.target.dataset.i) : -1;
$('strip').addEventListener('click', e => tokenAt(e) >= 0 && select(tokenAt(e), state.layer, false));
$('strip').addEventListener('mouseover', e => {
  const t = tokenAt(e);
  if (t >= 0) e.target.title = t + ': ' + number(unitScore(units[unitOf[t]], view().scores));
});
function pointed(e) {
  const box = $('ribbon').getBoundingClientRect(), [first, count] = shownTokens();
  return [first + Math.floor((e.clientX - box.left) / box.width * count), L - 1 - Math.floor((e.clientY - box.top) / box.height * L)];
}
$('ribbon').addEventListener('click', e => select(...pointed(e)));
$('ribbon').addEventListener('mousemove', e => {
  const [t, l] = pointed(e);
  if (t < 0 || t >= columns || l < 0 || l >= L) return;
  $('ribbon').title = 'layer ' + l + ', token ' + t + ' "' + names[t] + '": ' + number(view().layers[l * T + t]);
});
$('method').addEventListener('change', e => setMethod(Number(e.target.value)));
$('map').addEventListener('change', e => setMap(Number(e.target.value)));
$('by').addEventListener('change', e => setBy(e.target.value));
$('magnitude').addEventListener('change', e => {
  state.magnitude = e.target.checked;
  paintAll();
});
$('range').addEventListener('change', e => {
  state.range = Number(e.target.value);
  paintRibbon();
});
$('theme').addEventListener('change', e => setTheme(e.target.value));
addEventListener('resize', paintRibbon);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paintAll);

const quoted = token => '\u201c' + (nameOf(token).trim() || nameOf(token)) + '\u201d';  // a leading space is the tokenizer's
const target = report.target, predicted = quoted({id: target.id, text: target.text});
document.title = 'Hindscan: ' + predicted;
$('title').textContent = data.title ? visible(data.title) : 'Hindscan';
$('target').textContent = (target.kind === 'number' ? 'The model gives ' + target.text + ' the value ' + number(target.logit, 3) : target.kind === 'class' ? 'The model judges the text as ' + target.text + ' with probability ' + number(target.probability, 3) :
  'After token ' + position + ' the model predicts ' + predicted + ' with probability ' + number(target.probability, 3)) +
  (target.contrast_id === null ? '.' : ', rather than ' + quoted({id: target.contrast_id, text: target.contrast_text}) + ' (logits ' + number(target.logit, 3) + ' against ' + number(target.contrast_logit, 3) + ').');
$('model').textContent = 'Model ' + visible(report.model) + ', ' + L + ' layers, ' + T + ' tokens.';
report.methods.forEach((m, i) => {
  const o = make('option', m.name);
  o.value = i;
  $('method').append(o);
});
$('zoom').hidden = columns <= 256;
$('range').value = state.range;
unitOf = new Array(T).fill(0);
$('by').value = state.by;
buildStrip();
setMethod(state.method);
select(position, L - 1);
