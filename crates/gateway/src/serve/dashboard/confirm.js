// A question that has to be answered before something is done.

import { h, id } from './dom.js';

/** Whether the user says `yes` to what `text`, elements or strings, tells. */
export function confirmed(title, text, yes) {
  const dialog = id('confirm');
  id('confirm-title').textContent = title;
  id('confirm-text').replaceChildren(...text.map(part => (typeof part === 'string' ? h('p', {}, part) : part)));
  id('confirm-yes').textContent = yes;
  dialog.returnValue = 'no';
  return new Promise(resolve => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
    dialog.showModal();
  });
}
