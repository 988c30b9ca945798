// What both pages have: the theme, the token, the line about the connection.

import { id, say } from './dom.js';
import { token, unlock } from './api.js';

const THEME = 'reelcache-theme';

function theme() {
  const field = id('theme');
  const show = value => {
    if (value) document.documentElement.dataset.theme = value;
    else delete document.documentElement.dataset.theme;
  };
  field.value = localStorage.getItem(THEME) ?? '';
  show(field.value);
  field.addEventListener('change', () => {
    localStorage.setItem(THEME, field.value);
    show(field.value);
  });
}

export function askForToken() {
  const dialog = id('token-dialog');
  if (dialog.open) return;
  id('token').value = '';
  dialog.returnValue = '';
  dialog.showModal();
}

function tokens() {
  const dialog = id('token-dialog');
  id('token-open').addEventListener('click', askForToken);
  dialog.addEventListener('close', () => {
    if (dialog.returnValue === 'save') unlock(id('token').value.trim());
    if (dialog.returnValue === 'forget') {
      token.set('');
      location.reload();
    }
    id('token').value = '';
  });
}

const STATES = {
  live: 'Figures arrive as they change.',
  polled: 'Figures are asked for every two seconds.',
  lost: 'The server does not answer. It is asked again and again.',
  locked: 'The server wants a token.',
};

/** Says how the figures arrive; asks for a token where the server wants one. */
export function connection(state) {
  say(id('connection'), STATES[state], state === 'lost' || state === 'locked');
  if (state === 'locked') askForToken();
}

export function shell() {
  theme();
  tokens();
}
