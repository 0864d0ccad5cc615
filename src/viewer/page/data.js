'use strict';
// Everything from the data island is text: it reaches the page through textContent and drawing calls only.
const data = JSON.parse(document.getElementById('data').textContent);
const report = data.report, tokens = report.tokens, T = tokens.length, L = data.layers, 
  position = report.target.answer_from === undefined ? report.target.position : report.target.answer_from - 1;  // from which the answer is read
const $ = id => document.getElementById(id);
const make = (tag, text, cls) => {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (cls) e.className = cls;
  return e;
};

const sentence = words => words.charAt(0).toUpperCase() + words.slice(1) + '.';
const counted = (n, one) => n + ' ' + one + (n === 1 ? '' : 's');
const number = (v, digits = 4) => v === null || v === undefined ? '\u2013' : Math.abs(v) >= 1e5 || (v !== 0 && Math.abs(v) < Math.max(1e-3, 0.5 * 10 ** -digits)) ? v.toExponential(1) : v.toFixed(digits);

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

// The arrays of each method with an axis of tokens alone, its scores first; what can be looked at, layers included.
const arraysOf = m => report.arrays.filter(a => a.method === m.name);
const total = m => arraysOf(m)[0];
const views = report.methods.map((m, i) => data.views[i].map(v => (
  {name: v.name, words: v.words, scores: v.scores || arraysOf(m).find(a => a.name === v.name).values, layers: decode(v.layers), byLayer: v.by_layer})));

const state = {method: data.shown, map: 0, by: data.by, chosen: data.words, token: position, layer: L - 1, magnitude: false, range: position >= 2048 ? 256 : 0};
const view = () => views[state.method][state.map];
// What the picture of layers shows: the view's own, or where it has none, those of the method that stands in.
const layerMethod = () => view().layers || data.layers_of[state.method] === null ? state.method : data.layers_of[state.method];
const layerView = () => view().layers ? view() : views[layerMethod()][0];
const signs = () => state.map > 0 && effects() ? ['lost by it', 'gained by it'] : data.signs[state.method];  // of a score above zero, and below
const effects = (i = state.method) => report.methods[i].effect_of !== undefined;  // its scores are what an edit of a token does
const marked = () => effects() && state.map === 0;  // what is shown are these scores
const foundOf = (i, t) => !effects(i) ? '' : {measured: 'run', estimated: 'estimate'}[report.methods[i].found[t]] || '\u2013';
// Which of two answers is ahead where the target has this value, as score_words.cpp says it; without another answer, nothing.
const isPreference = report.target.contrast_id !== null;
const targetValue = report.target.logit - (isPreference ? report.target.contrast_logit : 0);
function leadAt(value) {
  const ratio = Math.exp(Math.abs(value)), [one, other] = data.answers, [ahead, behind] = value < 0 ? [other, one] : [one, other];
  const times = ratio < 1.05 ? 'just' : ratio < 9.95 ? ratio.toFixed(1) + ' times' : ratio < 999.5 ? ratio.toFixed(0) + ' times' : ratio < 999.5e3 ? (ratio / 1e3).toFixed(0) + ' thousand times' : ratio < 999.5e6 ? (ratio / 1e6).toFixed(0) + ' million times' : 'over a billion times';
  return ahead + ' ' + times + ' as likely as ' + behind;
}
const peak = values => {
  let top = 0;
  for (const v of values) if (Number.isFinite(v)) top = Math.max(top, Math.abs(v));
  return top;
};
