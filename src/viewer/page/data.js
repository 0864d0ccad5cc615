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

const counted = (n, one) => n + ' ' + one + (n === 1 ? '' : 's');
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
