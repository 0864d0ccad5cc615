// The texts that never change, then the first painting.
const target = report.target, [predicted, other] = data.answers;
document.title = 'Hindscan: ' + predicted;
$('title').textContent = data.title ? visible(data.title) : 'Hindscan';
$('target').textContent = (target.kind === 'number' ? 'The model gives ' + target.text + ' the value ' + number(target.logit, 3) : target.kind === 'class' ? 'The model judges the input as ' + target.text + ' with probability ' + number(target.probability, 3) :
  'After token ' + position + ' of 0..' + (T - 1) + ' the model predicts ' + predicted + ' with probability ' + number(target.probability, 3)) +
  (target.contrast_id === null ? '.' : ', rather than ' + other + ' (logits ' + number(target.logit, 3) + ' against ' + number(target.contrast_logit, 3) + ').');
$('model').textContent = 'Model ' + visible(report.model) + ', ' + counted(L, 'layer') + ', ' + counted(T, data.item) + '.';
report.methods.forEach((m, i) => {
  const o = make('option', m.name + (effects(i) ? ': without each ' + (data.edits[i] || data.item) : ''));
  o.value = i;
  $('method').append(o);
});
$('hops').textContent = data.hops;
$('hops-section').hidden = !data.hops;
$('zoom').hidden = columns <= 256;
$('range').value = state.range;
unitOf = new Array(T).fill(0);
$('by').value = state.by;
$('by').parentElement.hidden = data.item !== 'token';
$('h-ribbon').textContent = 'Layers and ' + data.item + 's';
$('h-detail').textContent = 'One ' + data.item + ' closely';
$('token-means').hidden = data.item !== 'token';
$('more').open = !effects();  // what the other methods have to show stands there
const by = data.by;
setMethod(state.method);
showBy(by);
select(position, L - 1);
