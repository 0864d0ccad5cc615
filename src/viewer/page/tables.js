// Tables whose rows may hold bars, and be picked: strongest sources, the selected token, the checks.
const extra = ['share', 'lost', 'position', 'strongest in layer'];  // columns that a narrow screen goes without
function table(head, rows, textColumn) {
  const out = make('table'), row = make('tr');
  const put = (tr, tag, c, i) => {
    const cell = c instanceof Node ? make(tag, undefined, 'bar') : make(tag, c, i === textColumn ? 'text' : head[i] === 'without it' ? 'lead' : extra.includes(head[i]) ? 'wide' : '');
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
      tr.onclick = () => pick(r.pick, state.layer, true);
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
// How a unit's score came about: of one edit, of several together, or an equal part of a longer one.
function foundBy(unit) {
  const first = data.edited[state.method], begins = t => !first.length || t >= T || first[t] === t;
  const all = Array.from({length: unit.last - unit.first}, (_, i) => unit.first + i);
  if (all.every(t => foundOf(state.method, t) === '\u2013')) return '\u2013';
  if (all.slice(1).some(begins)) return 'sum';
  return begins(unit.first) && begins(unit.last) ? foundOf(state.method, unit.first) : 'part';
}
function paintSources() {
  const scores = units.map(unit => unitScore(unit, view().scores)), layers = view().layers, top = peak(scores) || 1;
  let total = 0;
  for (const s of scores) total += Math.abs(s) || 0;
  const order = scores.map((s, u) => u).filter(u => scores[u]).sort((a, b) => Math.abs(scores[b]) - Math.abs(scores[a]) || a - b).slice(0, 20);
  const strongest = unit => {
    const sizes = Array.from({length: L}, (_, l) => Math.abs(unitScore(unit, layers.subarray(l * T, (l + 1) * T))));
    return String(sizes.indexOf(Math.max(...sizes)));
  };
  $('sources-scale').textContent = state.magnitude ? 'Sizes, whatever the sign.' : 'Bars to the right: ' + signs()[0] + '; to the left: ' + signs()[1] + '.' + (marked() ? ' Really run: taken out, and the rest read again; estimate: not so' + (units.some(unit => foundBy(unit) === 'sum') ? '; sum: of edits made one by one, not what all of them together do' : '') + (units.some(unit => foundBy(unit) === 'part') ? '; part: an equal part of a longer edit.' : '.') + (isPreference ? ' Lost: in the model\u2019s own unit, of which each 0.69 makes the first answer half as likely beside the other.' : '') : '');
  const then = unit => foundBy(unit) === 'sum' || foundBy(unit) === 'part' ? '' : leadAt(targetValue - unitScore(unit, view().scores));
  const head = [unitWord(), axisOf(top), effects() ? 'lost' : 'score'], leads = marked() && isPreference;
  head.push(...leads ? ['without it'] : [], marked() ? 'how' : 'share', 'position', ...layers ? ['strongest in layer'] : []);
  const place = unit => marked() && foundBy(unit) !== 'sum' && foundBy(unit) !== 'part' && data.places[state.method][unit.first] || '';
  const cells = u => [bare(units[u].name) + place(units[u]), bar(scores[u] / top), number(scores[u]), ...leads ? [then(units[u])] : [],
    marked() ? foundBy(units[u]).replace(/^run$/, 'really run') : total ? (100 * Math.abs(scores[u]) / total).toFixed(1) + ' %' : '', String(units[u].first), ...layers ? [strongest(units[u])] : []];
  $('sources').replaceChildren(make('p', leads ? 'With the whole text: ' + leadAt(targetValue) + '.' : '', 'legend'), table(head, order.map(u => ({pick: units[u].first, cells: cells(u)})), 0));
}
function paintDetail() {
  const t = state.token, scores = view().scores, layers = layerView().layers;
  $('detail').textContent = (data.item === 'token' ? 'Token ' + t + ' of 0..' + (T - 1) + ': "' + names[t] + '" (id ' + tokens[t].id + ')' : 'Vector ' + t + ' of 0..' + (T - 1)) + (marked() && foundOf(state.method, t) === '\u2013' ? ', not asked for' : ', score ' + number(scores[t])) + ({run: ', really run', estimate: ', an estimate'}[marked() && foundOf(state.method, t)] || '') +
    (t > position ? ', after the target: it plays no part' : '') + (layers ? ', layer ' + state.layer + ': ' + number(layers[state.layer * T + t]) : '');
  $('by-method').replaceChildren(make('p', 'By method, as a part of the largest score each gives', 'legend'), table(['method', axis('-100 %', '100 %'), 'score'], views.flatMap((list, i) => list.map((v, j) => (
    {cells: [report.methods[i].name + ', ' + v.name, bar(v.scores[t] / (peak(v.scores) || 1)), j === 0 && foundOf(i, t) === '\u2013' ? '\u2013' : number(v.scores[t])]}))), 0));
  if (!layers) return $('by-layer').replaceChildren();
  const column = Array.from({length: L}, (_, l) => layers[l * T + t]), top = peak(column) || 1;
  $('by-layer').replaceChildren(make('p', 'By layer, ' + report.methods[layerMethod()].name, 'legend'), table(['layer', axisOf(top), layerView().name], column.map((v, l) => ({cells: [String(l), bar(v / top), number(v)]}))));
}
const interval = (range, spelled) => range ? ' [' + range.map(spelled).join(', ') + ']' : '';  // 95 %
function paintChecks() {
  $('methods').replaceChildren(table(['method', 'sum', 'state before', 'no token', 'through skip', 'target', 'residual', 'edits', 'rank correlation', 'sign agreement'],
    report.methods.map(m => ({m, of: total(m), whole: total(m).completeness})).map(({m, of, whole}) => ({cells: [m.name, ...(m.effect_of ? [null, null, null, null] : [of.sum, of.state, of.no_token, m.skip_share]).map(v => number(v)), number(whole && whole.target),
      whole ? number(whole.residual) : 'none', m.causal ? String(m.causal.edits) : '\u2013', m.causal ? number(m.causal.spearman, 3) + interval(m.causal.spearman_interval, v => v.toFixed(2)) : '\u2013',
      m.causal && m.causal.sign_agreement !== null ? (100 * m.causal.sign_agreement).toFixed(0) + ' %' + interval(m.causal.sign_interval, v => (100 * v).toFixed(0)) : '\u2013']})), 0));
  const shares = report.methods.filter(m => Object.keys(m.shares || {}).length).map(m => m.name + ' through (summed over layers, each counts again) ' + Object.entries(m.shares).map(([k, v]) => k + ' ' + number(v, 3)).join(', '));
  const labels = report.methods.filter(m => m.label).map(m => m.name + ': ' + m.label);
  $('checks').textContent = labels.concat(data.notes).map(note => note + '. ').join('') + (shares.length ? shares.join('; ') + '. ' : '') + 'A residual says whether the parts add up, not whether they are true; methods without one are no decomposition of the target. \u201cNo token\u201d is the part that the biases carry, which depends on the text as well. \u201cThrough skip\u201d went past the memory of a layer, from a token straight to the output at its place; summed over layers, each counts again. Edits are tokens before the last one, really replaced or removed and run again; the 95 % intervals are those of these edits of one text. Methods whose scores do not know the target predict no sign and have no figures. ' +
    report.seconds.toFixed(2) + ' s, ' + (report.peak_bytes / 2 ** 20).toFixed(0) + ' MiB.';
  $('layers').replaceChildren(table(['layer', 'kind', 'largest residual'], report.layers.map(l => ({cells: [String(l.layer), l.structure, number(l.max_residual)]})), 1));
}
