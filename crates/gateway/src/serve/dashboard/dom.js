// Elements made from names, attributes and text; nothing is ever parsed as HTML.

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === 'function') node.addEventListener(name, value);
    else if (value === true) node.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== false) node.append(child);
  }
  return node;
}

export const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
export const s = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
export const id = name => document.getElementById(name);

/** Text of strangers: its direction and its length change nothing around it. */
export const foreign = text => h('bdi', { class: 'clamp' }, String(text ?? ''));

/** Says it where screen readers listen; the same words twice are said once. */
export function say(node, text, isBad = false) {
  if (node.textContent !== text) node.textContent = text;
  node.classList.toggle('bad', isBad);
}

/**
 * Puts `children` into `node`, unless they look the same as what is there. What has the focus keeps it: the one with the
 * same `data-focus` gets it.
 */
export function put(node, ...children) {
  const next = document.createElement(node.nodeName);
  next.append(...children.filter(child => child !== null && child !== undefined && child !== false));
  const same = next.childNodes.length === node.childNodes.length
    && [...next.childNodes].every((child, index) => child.isEqualNode(node.childNodes[index]));
  if (same) return;
  const focused = node.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
  node.replaceChildren(...next.childNodes);
  if (focused) [...node.querySelectorAll('[data-focus]')].find(other => other.dataset.focus === focused)?.focus();
}

/** A table; a column whose name begins with `#` holds numbers. */
export function table(caption, columns, rows, empty = 'None.') {
  if (rows.length === 0) return h('p', { class: 'muted' }, empty);
  const isNumber = columns.map(column => column.startsWith('#'));
  const head = columns.map((column, i) => h('th', { scope: 'col', class: isNumber[i] && 'n' }, column.replace('#', '')));
  const cells = row => row.map((cell, i) => h(i === 0 ? 'th' : 'td', { scope: i === 0 && 'row', class: isNumber[i] && 'n' }, cell));
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    h('table', {}, h('caption', {}, caption), h('thead', {}, h('tr', {}, head)),
      h('tbody', {}, rows.map(row => h('tr', {}, cells(row))))));
}
