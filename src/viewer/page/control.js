// What is looked at, and how keys, clicks and menus change it: the parts that show it are painted again.
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
function pick(t, layer, scroll = false) {  // by hand: what is said of it is opened
  $('more').open = true;
  select(t, layer, scroll);
}
function fillMaps() {
  $('map').replaceChildren(...views[state.method].map((v, i) => {
    const o = make('option', v.name);
    o.value = i;
    return o;
  }));
  $('map').parentElement.hidden = views[state.method].length < 2;
}
function setMethod(i) {
  state.method = i;
  state.map = 0;
  $('method').value = i;
  fillMaps();
  showBy(data.edits[i] || state.chosen);  // what it took out; else what was chosen last
}
function showBy(by) {
  state.by = $('by').value = by;
  buildStrip();
  paintAll();
}
function setBy(by) {
  if (!data.edits[state.method]) state.chosen = by;
  showBy(by);
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
function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  $('theme').value = theme;
  paintAll();
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
const tokenAt = e => e.target.dataset && e.target.dataset.i !== undefined ? Number(e.target.dataset.i) : -1;
$('strip').addEventListener('click', e => tokenAt(e) >= 0 && pick(tokenAt(e), state.layer));
$('strip').addEventListener('mouseover', e => {
  const t = tokenAt(e);
  if (t >= 0) e.target.title = t + ': ' + number(unitScore(units[unitOf[t]], view().scores));
});
$('ribbon').addEventListener('click', e => pick(...pointed(e), true));
$('ribbon').addEventListener('mousemove', e => {
  const [t, l] = pointed(e);
  if (t < 0 || t >= columns || l < 0 || l >= L) return;
  $('ribbon').title = 'layer ' + l + ', ' + data.item + ' ' + t + ' "' + names[t] + '": ' + number(layerView().layers[l * T + t]);
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
addEventListener('resize', () => {
  paintRibbon();
  bringIntoView();
});
$('more').addEventListener('toggle', paintRibbon);  // it has no width while it is closed
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', paintAll);
