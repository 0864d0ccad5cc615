// The tokens, or their words or sentences, coloured by score.
let spans = [];  // of the units
function buildStrip() {
  const strip = $('strip'), size = 256;
  units = unitsBy(state.by);
  $('h-tokens').textContent = 'What each ' + unitWord() + ' counts for';
  units.forEach((unit, u) => unitOf.fill(u, unit.first, unit.last));
  spans = units.map((unit, u) => {
    const span = make('span', unit.name, unit.first > position ? 'token after' : 'token');
    span.dataset.i = unit.first;
    span.hidden = unit.first > position && report.target.answer_from !== undefined;  // the answer itself
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
  const predicted = make('span', bare(visible(data.written)), 'token predicted');
  predicted.title = 'what the model says comes next';
  spans[unitOf[position]].after(predicted);
}
function paintStrip() {
  const scores = units.map(unit => unit.first > position ? 0 : unitScore(unit, view().scores)), top = peak(scores);
  units.forEach((unit, u) => {
    const relative = top > 0 && Number.isFinite(scores[u]) ? scores[u] / top : 0, style = spans[u].style;
    const rgb = Math.abs(relative) < 0.02 ? null : color(relative);
    style.background = rgb ? css(rgb) : '';
    style.color = rgb ? textOn(rgb) : '';
    spans[u].classList.toggle('run', marked() && report.methods[state.method].found.slice(units[u].first, units[u].last).every(f => f === 'measured'));
  });
  $('view-means').textContent = marked() ? data.legends[state.method] : 'Method ' + report.methods[state.method].name + ': ' + report.methods[state.method].words + '. Shown of it: ' + view().words + '.';
  $('trust').textContent = data.trust[state.method];
  $('trust').hidden = !data.trust[state.method];
  paintScale('scale', top);
}
