// What a person who sees badly, uses a keyboard, or holds a phone would stumble over: the body of a
// function that answers a list of complaints. Each names the rule and the element.
const complaints = [];
const visible = (el) => {
  const box = el.getBoundingClientRect();
  const style = getComputedStyle(el);
  return box.width > 0 && box.height > 0 && style.visibility !== 'hidden' && style.display !== 'none'
    && (!el.checkVisibility || el.checkVisibility());
};
const named = (el) => {
  const id = el.id ? '#' + el.id : '';
  const cls = typeof el.className === 'string' && el.className ? '.' + el.className.trim().split(/\s+/).join('.') : '';
  const text = (el.textContent || '').trim().replace(/\s+/g, ' ').slice(0, 40);
  return '<' + el.tagName.toLowerCase() + id + cls + '> ' + text;
};
const complain = (rule, el) => complaints.push(rule + ': ' + (el ? named(el) : document.title));
const all = (selector) => [...document.querySelectorAll(selector)];
const byIds = (ids) => ids.split(/\s+/).map((id) => document.getElementById(id));
// The name that a screen reader tells.
const nameOf = (el) => {
  if (el.getAttribute('aria-labelledby')) {
    return byIds(el.getAttribute('aria-labelledby')).map((l) => l ? l.textContent : '').join(' ').trim();
  }
  if (el.getAttribute('aria-label')) return el.getAttribute('aria-label').trim();
  if (el.labels && el.labels.length) return [...el.labels].map((l) => l.textContent).join(' ').trim();
  if (el.tagName === 'INPUT' && ['submit', 'button', 'reset'].includes(el.type)) return el.value;
  if (el.tagName === 'IMG') return el.alt;
  const title = el.tagName === 'svg' ? el.querySelector('title') : null;
  if (title) return title.textContent.trim();
  const inner = [...el.querySelectorAll('img, svg')].map(nameOf).join(' ');
  return ((el.textContent || '') + ' ' + inner + ' ' + (el.title || '')).trim();
};

// The page as a whole.
if (!/^(ru|en)$/.test(document.documentElement.lang)) complain('the page has no language');
if (!document.title.trim()) complain('the page has no title');
if (all('main').length !== 1) complain('there must be one main landmark');
const viewport = document.querySelector('meta[name=viewport]');
if (!viewport || /user-scalable\s*=\s*no|maximum-scale/.test(viewport.content)) complain('the page cannot be zoomed');
if (all('h1').filter(visible).length !== 1) complain('there must be one heading of level 1');
let level = 0;
for (const heading of all('h1, h2, h3, h4, h5, h6').filter(visible)) {
  const own = Number(heading.tagName[1]);
  if (own > level + 1 && level > 0) complain('a level of headings is left out', heading);
  if (!heading.textContent.trim()) complain('a heading is empty', heading);
  level = own;
}
if (document.documentElement.scrollWidth > innerWidth + 1) {
  const wide = all('body *').filter((el) => visible(el) && el.getBoundingClientRect().right > innerWidth + 1)
    .filter((el) => {
      for (let up = el.parentElement; up; up = up.parentElement) {
        if (/auto|scroll|hidden/.test(getComputedStyle(up).overflowX)) return false;
      }
      return true;
    });
  complain('the page is wider than the screen', wide[0]);
}

// Ids and what refers to them.
const ids = new Set();
for (const el of all('[id]')) {
  if (ids.has(el.id)) complain('two elements have one id', el);
  ids.add(el.id);
}
for (const attribute of ['for', 'aria-labelledby', 'aria-describedby', 'aria-controls', 'headers']) {
  for (const el of all('[' + attribute + ']')) {
    if (byIds(el.getAttribute(attribute)).some((held) => !held)) complain(attribute + ' leads nowhere', el);
  }
}
for (const link of all('a[href^="#"]')) {
  const to = link.getAttribute('href').slice(1);
  if (to && !document.getElementById(to)) complain('a link leads nowhere', link);
}

// Things to use.
const fields = all('input:not([type=hidden]), select, textarea');
for (const field of fields) {
  if (!nameOf(field) || (!field.labels.length && !field.getAttribute('aria-label')
    && !field.getAttribute('aria-labelledby') && !['submit', 'button', 'reset'].includes(field.type))) {
    complain('a field has no label', field);
  }
}
for (const el of all('button, a[href], summary, [role=button]')) {
  if (visible(el) && !nameOf(el)) complain('a control has no name', el);
  if (el.querySelector('a, button, input, select, textarea')) complain('a control is inside a control', el);
}
for (const el of all('[tabindex]')) if (el.tabIndex > 0) complain('the order of focus is forced', el);
for (const el of all('fieldset')) {
  if (!el.querySelector('legend') && !el.getAttribute('aria-label')) complain('a group has no legend', el);
}
for (const el of all('details')) if (!el.querySelector(':scope > summary')) complain('details have no summary', el);
for (const el of all('a')) if (!el.hasAttribute('href')) complain('a link has no address', el);
for (const el of all('button, summary, input:not([type=hidden]), select, nav a, [role=button]').filter(visible)) {
  const box = el.getBoundingClientRect();
  const label = el.labels && el.labels[0] ? el.labels[0].getBoundingClientRect() : box;
  if (Math.max(box.height, label.height) < 23.5 || Math.max(box.width, label.width) < 23.5) {
    // Off the screen until it has the focus (skip links) is no target of a finger.
    if (box.right > 0 && box.bottom > 0 && box.width > 2) complain('a target is smaller than 24 pixels', el);
  }
}

// Pictures, tables, lists.
for (const img of all('img')) if (!img.hasAttribute('alt')) complain('a picture has no words', img);
for (const svg of all('svg')) {
  if (svg.getAttribute('aria-hidden') !== 'true' && (svg.getAttribute('role') !== 'img' || !nameOf(svg))) {
    complain('a drawing has neither words nor is it hidden', svg);
  }
}
for (const table of all('table')) {
  if (!table.caption && !table.getAttribute('aria-label') && !table.getAttribute('aria-labelledby')) {
    complain('a table has no caption', table);
  }
  if (table.querySelectorAll('th').length === 0) complain('a table has no headings', table);
  for (const th of table.querySelectorAll('th')) if (!th.scope && !th.id) complain('a heading of a table has no scope', th);
}
for (const li of all('li')) {
  if (!/^(UL|OL|MENU)$/.test(li.parentElement.tagName)) complain('an item is in no list', li);
}
for (const list of all('ul, ol')) {
  if ([...list.children].some((child) => !/^(LI|SCRIPT|TEMPLATE)$/.test(child.tagName))) complain('a list has more than items', list);
}
for (const dl of all('dl')) {
  const odd = [...dl.children].some((child) => !/^(DT|DD|DIV)$/.test(child.tagName));
  if (odd) complain('a list of terms has more than terms', dl);
}

// Roles and states.
const roles = new Set(('alert alertdialog article banner button checkbox complementary contentinfo dialog document feed figure form '
  + 'group heading img link list listitem log main menu menuitem meter navigation none note option presentation progressbar radio '
  + 'radiogroup region row rowgroup search searchbox separator status switch tab table tablist tabpanel textbox timer toolbar '
  + 'tooltip tree treeitem').split(' '));
for (const el of all('[role]')) if (!roles.has(el.getAttribute('role'))) complain('there is no such role', el);
for (const el of all('[aria-hidden=true]')) {
  if (el.matches('a[href], button, input, select, textarea') || el.querySelector('a[href], button, input:not([type=hidden]), select, textarea')) {
    complain('something hidden takes the focus', el);
  }
}
for (const el of all('section, nav, form, aside').filter((el) => el.hasAttribute('role') || el.tagName === 'NAV')) {
  const same = all(el.tagName).filter(visible);
  if (el.tagName === 'NAV' && same.length > 1 && !el.getAttribute('aria-label') && !el.getAttribute('aria-labelledby')) {
    complain('two navigations cannot be told apart', el);
  }
}

// Contrast of texts: 4.5, of large ones 3.
const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
const rgba = (color) => {
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = '#000';
  canvas.fillStyle = color;
  canvas.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
};
const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
const ground = (el) => {
  const layers = [];
  for (let up = el; up; up = up.parentElement) {
    const color = rgba(getComputedStyle(up).backgroundColor);
    if (color[3] > 0) layers.push(color);
    if (color[3] >= 1) break;
  }
  const dark = getComputedStyle(document.documentElement).colorScheme === 'dark';
  return layers.reverse().reduce((below, top) => over(top, below), dark ? [18, 18, 18, 1] : [255, 255, 255, 1]);
};
const light = (c) => {
  const [r, g, b] = c.slice(0, 3).map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const told = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node = walker.nextNode(); node; node = walker.nextNode()) {
  const el = node.parentElement;
  if (!node.textContent.trim() || !el || !visible(el) || told.has(el)) continue;
  if (el.closest('[disabled], [aria-disabled=true], option, script, style, title')) continue;
  told.add(el);
  const style = getComputedStyle(el);
  const below = ground(el.closest('svg') ? el.closest('svg') : el);
  const paint = el.closest('svg') && el.namespaceURI.endsWith('svg') ? style.fill : style.color;
  const ink = over(rgba(paint), below);
  const [one, two] = [light(ink), light(below)];
  const ratio = (Math.max(one, two) + 0.05) / (Math.min(one, two) + 0.05);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  if (ratio < (large ? 3 : 4.5) - 0.01) complain('contrast ' + ratio.toFixed(2), el);
}
return complaints;
