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
const unitWord = () => data.item === 'token' ? state.by : data.item;
const unitScore = (unit, scores) => {
  let sum = 0;
  for (let i = unit.first; i < unit.last; ++i) sum += scores[i];
  return sum;
};
const bare = name => name.trim() || name;  // a leading space is the tokenizer's
