// The console's one script. Every page works without it; it brings what is new, keys, copying, and
// times that go on. It builds no HTML of data: what it puts into a page came rendered from the server.
'use strict';
(() => {
  const root = document.documentElement;
  const main = document.getElementById('main');
  const said = document.getElementById('said');
  const tell = (text) => { if (said && text) { said.textContent = ''; said.textContent = text; } };
  root.classList.add('js');

  // Times: "5 минут назад" goes on while the page stands open.
  const relative = new Intl.RelativeTimeFormat(root.lang, { numeric: 'always' });
  const skew = (() => {
    const now = Date.parse(main?.dataset.now ?? '');
    return Number.isNaN(now) ? 0 : now - Date.now();
  })();
  const units = [['day', 86400], ['hour', 3600], ['minute', 60], ['second', 1]];
  const ago = (then) => {
    const seconds = Math.round((then - Date.now() - skew) / 1000);
    const [unit, length] = units.find(([, size]) => Math.abs(seconds) >= size) ?? units[3];
    return Math.abs(seconds) < 5 ? null : relative.format(Math.trunc(seconds / length), unit);
  };
  const tick = () => {
    for (const time of document.querySelectorAll('time[data-ago]')) {
      const text = ago(Date.parse(time.dateTime));
      if (text && time.textContent !== text) time.textContent = text;
    }
  };
  setInterval(tick, 15000);

  // Live: on a word the same page is fetched, and its parts marked data-live are put in place.
  const name = (node) => node.id ? `#${CSS.escape(node.id)}` : node.name ? `[name="${CSS.escape(node.name)}"]` : null;
  const busy = (part) => part.contains(document.activeElement) && document.activeElement.matches('input:not([type=checkbox]), textarea, select');
  const kept = (part) => ({
    open: [...part.querySelectorAll('details[id]')].map((node) => [node.id, node.open]),
    ticked: [...part.querySelectorAll('input[type=checkbox]:checked[value]')].map((node) => `input[name="${CSS.escape(node.name)}"][value="${CSS.escape(node.value)}"]`),
    typed: [...part.querySelectorAll('textarea[id], input[id]:not([type=checkbox], [type=hidden])')]
      .filter((node) => node.value !== node.defaultValue).map((node) => [node.id, node.value]),
    focus: part.contains(document.activeElement) ? name(document.activeElement) ?? href(document.activeElement) : null,
    row: part.querySelector('tr.here')?.dataset.row,
  });
  const href = (node) => node.getAttribute('href') ? `a[href="${CSS.escape(node.getAttribute('href'))}"]` : null;
  const restore = (part, was) => {
    for (const [id, open] of was.open) { const node = document.getElementById(id); if (node) node.open = open; }
    for (const selector of was.ticked) { const node = part.querySelector(selector); if (node) node.checked = true; }
    for (const [id, value] of was.typed) { const node = document.getElementById(id); if (node) node.value = value; }
    if (was.focus) part.querySelector(was.focus)?.focus({ preventScroll: true });
    if (was.row) part.querySelector(`tr[data-row="${CSS.escape(was.row)}"]`)?.classList.add('here');
  };
  const swap = (fresh) => {
    let changed = false;
    for (const next of fresh.querySelectorAll('[data-live]')) {
      const part = document.querySelector(`[data-live="${CSS.escape(next.dataset.live)}"]`);
      if (!part || part.innerHTML === next.innerHTML || busy(part)) continue;
      const was = kept(part);
      const known = new Set([...part.querySelectorAll('tr[data-row]')].map((row) => row.dataset.row));
      part.replaceChildren(...document.importNode(next, true).childNodes);
      for (const row of part.querySelectorAll('tr[data-row]')) if (known.size && !known.has(row.dataset.row)) row.dataset.fresh = '';
      restore(part, was);
      changed = true;
    }
    if (changed) { tick(); tell(said.dataset.changed); }
  };
  let wanted = false;
  let running = false;
  const refresh = async () => {
    wanted = true;
    if (running || document.hidden) return;
    running = true;
    while (wanted && !document.hidden) {
      wanted = false;
      try {
        const answer = await fetch(location.href, { headers: { accept: 'text/html', 'x-live': '1' }, cache: 'no-store' });
        if (answer.redirected) { location.reload(); return; }
        if (answer.ok) swap(new DOMParser().parseFromString(await answer.text(), 'text/html'));
      } catch { /* the stream says so when the server is gone */ }
      await new Promise((done) => setTimeout(done, 1000));
    }
    running = false;
  };
  document.addEventListener('visibilitychange', () => { if (wanted) refresh(); });
  const topics = (main?.dataset.topics ?? '').split(/\s+/).filter(Boolean);
  if (topics.length && document.querySelector('[data-live]')) {
    let lost = false;
    const stream = new EventSource(`/live?${topics.map((topic) => `topic=${encodeURIComponent(topic)}`).join('&')}`);
    stream.addEventListener('changed', refresh);
    stream.addEventListener('open', () => { if (lost) refresh(); lost = false; });
    stream.addEventListener('error', () => { if (!lost) tell(said.dataset.lost); lost = true; });
    addEventListener('pagehide', () => stream.close());
  }

  // Clicks: copying, all boxes at once, and a whole row as its link.
  document.addEventListener('click', async (event) => {
    const button = event.target.closest('[data-copy]');
    if (button) {
      const source = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(source.textContent.trim());
        tell(said.dataset.copied);
        button.classList.add('done');
        setTimeout(() => button.classList.remove('done'), 1500);
      } catch {
        getSelection().selectAllChildren(source);
      }
      return;
    }
    const row = event.target.closest('tr[data-row]');
    if (row && !event.target.closest('a, button, input, label, summary, details') && !String(getSelection())) {
      const link = row.querySelector('a[data-open]');
      if (link && (event.ctrlKey || event.metaKey)) window.open(link.href, '_blank', 'noopener');
      else if (link) link.click();
    }
    for (const drop of document.querySelectorAll('.top details[open], details.drop[open]')) if (!drop.contains(event.target)) drop.open = false;
  });
  document.addEventListener('change', (event) => {
    const all = event.target.closest('[data-all]');
    if (all) for (const box of document.querySelectorAll(`input[name="${CSS.escape(all.dataset.all)}"]`)) if (!all.dataset.within || box.closest(all.dataset.within)) box.checked = all.checked;
    if (event.target.closest('[data-submit]')) event.target.form.requestSubmit();
  });
  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (form.method === 'get') for (const field of form.querySelectorAll('input[name], select[name]')) if (!field.value) field.disabled = true;
    if (form.method === 'post') setTimeout(() => form.querySelectorAll('button').forEach((button) => { button.disabled = true; }));
  });
  addEventListener('pageshow', () => {
    for (const field of document.querySelectorAll('form :disabled:not([data-off])')) field.disabled = false;
  });

  // Keys: / to the search, j and k through the rows, Enter opens, Escape shuts what is open.
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') {
      for (const open of document.querySelectorAll('.top details[open], details.drop[open]')) { open.open = false; open.querySelector('summary').focus(); }
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest('input, textarea, select, [contenteditable]')) return;
    if (event.key === '/') {
      event.preventDefault();
      document.querySelector('[data-seek]')?.select();
      document.querySelector('[data-seek]')?.focus();
      return;
    }
    if (event.key !== 'j' && event.key !== 'k') return;
    const rows = [...document.querySelectorAll('[data-row]')];
    if (!rows.length) return;
    const here = rows.findIndex((row) => row.classList.contains('here') || row.contains(document.activeElement));
    const next = rows[here < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, here + (event.key === 'j' ? 1 : -1)))];
    rows[here]?.classList.remove('here');
    next.classList.add('here');
    const link = next.querySelector('a[data-open]') ?? next.querySelector('a');
    link?.focus({ preventScroll: true });
    next.scrollIntoView({ block: 'nearest' });
  });
})();
