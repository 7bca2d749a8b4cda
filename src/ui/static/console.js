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

  // Live: on a word the same page is fetched, and its parts marked data-live are put in place. What a
  // person has there stays: focus, ticks, what is typed, open folds, scrolling.
  const quoted = (text) => `"${CSS.escape(text)}"`;
  const at = (node, name) => node.hasAttribute(name) ? `[${name}=${quoted(node.getAttribute(name))}]` : '';
  // What finds this very control again: its id, or what it is called within its row or form.
  const found = (node) => {
    if (node.matches('summary')) {
      const fold = node.closest('details[id]');
      return fold ? `#${CSS.escape(fold.id)} > summary` : null;
    }
    if (node.id) return `#${CSS.escape(node.id)}`;
    const own = `${node.localName}${at(node, 'name')}${at(node, 'value')}${at(node, 'href')}${at(node, 'formaction')}`;
    const row = node.closest('[data-row]');
    const form = node.closest('form');
    // A field called `id` hides the form's own.
    const place = row ? `[data-row=${quoted(row.dataset.row)}]` : form ? `form${at(form, 'id') || at(form, 'action')}` : '';
    return own === node.localName && !place ? null : `${place} ${own}`;
  };
  const SCROLLED = '.scroll, .tall, pre';
  const kept = (part) => ({
    open: [...part.querySelectorAll('details[id]')].map((node) => [node.id, node.open]),
    ticked: [...part.querySelectorAll('input[type=checkbox]:checked[value]')].map((node) => `input[name=${quoted(node.name)}][value=${quoted(node.value)}]`),
    typed: [...part.querySelectorAll('textarea[id], input[id]:not([type=checkbox], [type=hidden])')]
      .filter((node) => node.value !== node.defaultValue).map((node) => [node.id, node.value]),
    focus: part.contains(document.activeElement) ? found(document.activeElement) : null,
    row: part.querySelector('[data-row].here')?.dataset.row,
    scrolled: [...part.querySelectorAll(SCROLLED)].map((node) => [node.scrollLeft, node.scrollTop]),
  });
  const restore = (part, was) => {
    for (const [id, open] of was.open) { const node = document.getElementById(id); if (node) node.open = open; }
    for (const selector of was.ticked) { const node = part.querySelector(selector); if (node) node.checked = true; }
    for (const [id, value] of was.typed) { const node = document.getElementById(id); if (node) node.value = value; }
    if (was.row) part.querySelector(`[data-row=${quoted(was.row)}]`)?.classList.add('here');
    if (was.focus) part.querySelector(was.focus)?.focus({ preventScroll: true });
    part.querySelectorAll(SCROLLED).forEach((node, index) => { [node.scrollLeft, node.scrollTop] = was.scrolled[index] ?? [0, 0]; });
  };
  // A part without its times: they go on by themselves and are no news.
  const bare = (part) => {
    const copy = part.cloneNode(true);
    for (const time of copy.querySelectorAll('time')) time.replaceWith(document.createElement('time'));
    return copy.innerHTML;
  };
  const retime = (part, next) => {
    const times = [...part.querySelectorAll('time')];
    const newer = [...next.querySelectorAll('time')];
    if (times.length === newer.length) times.forEach((time, index) => { time.dateTime = newer[index].dateTime; time.title = newer[index].title; time.textContent = newer[index].textContent; });
  };
  const parts = () => [...document.querySelectorAll('[data-live]')];
  const served = new Map(parts().map((part) => [part.dataset.live, bare(part)]));
  // Nothing is taken away from who types or has marked a text; it is fetched when they are done.
  let late = '';
  const busy = (part) => {
    if (part.contains(document.activeElement) && document.activeElement.matches('input:not([type=checkbox]), textarea, select')) { late = 'typing'; return true; }
    const chosen = getSelection();
    if (chosen.rangeCount && !chosen.isCollapsed && chosen.getRangeAt(0).intersectsNode(part)) { late = late || 'choosing'; return true; }
    return false;
  };
  // Parts that say one thing together (rows, and the mark of the last of them) change together.
  const together = (part) => part.dataset.with ?? part.dataset.live;
  let announced = 0;
  const swap = (fresh) => {
    let changed = false;
    const held = new Set(parts().filter(busy).map(together));
    for (const next of fresh.querySelectorAll('[data-live]')) {
      const part = document.querySelector(`[data-live=${quoted(next.dataset.live)}]`);
      if (!part || held.has(together(part))) continue;
      const text = bare(next);
      if (served.get(next.dataset.live) === text) { retime(part, next); continue; }
      served.set(next.dataset.live, text);
      const was = kept(part);
      const known = new Set([...part.querySelectorAll('tr[data-row]')].map((row) => row.dataset.row));
      part.replaceChildren(...document.importNode(next, true).childNodes);
      for (const row of part.querySelectorAll('tr[data-row]')) if (known.size && !known.has(row.dataset.row)) row.dataset.fresh = '';
      restore(part, was);
      changed = true;
    }
    tick();
    if (changed && Date.now() - announced > 15000) { announced = Date.now(); tell(said.dataset.changed); }
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
  const caught = (why) => { if (late === why) { late = ''; refresh(); } };
  document.addEventListener('focusout', () => setTimeout(() => caught('typing')));
  document.addEventListener('selectionchange', () => { if (getSelection().isCollapsed) caught('choosing'); });

  const topics = (main?.dataset.topics ?? '').split(/\s+/).filter(Boolean).map(decodeURIComponent);
  if (topics.length && parts().length) {
    const address = `/live?${topics.map((topic) => `topic=${encodeURIComponent(topic)}`).join('&')}`;
    const notice = document.getElementById('lost');
    let stream = null;
    let lost = 0;
    const close = () => { stream?.close(); stream = null; };
    const listen = () => {
      if (stream || document.hidden) return;
      stream = new EventSource(address);
      stream.addEventListener('changed', refresh);
      stream.addEventListener('open', () => {
        if (lost) refresh();
        clearTimeout(lost);
        lost = 0;
        notice.hidden = true;
      });
      stream.addEventListener('error', () => {
        // The server ends a stream now and then; it comes back within seconds.
        lost ||= setTimeout(() => { if (!document.hidden) { notice.hidden = false; tell(notice.textContent); } }, 5000);
        if (stream?.readyState !== EventSource.CLOSED) return;
        // Refused: the session may be over, which the page's own address tells.
        stream = null;
        refresh();
        setTimeout(listen, 15000);
      });
    };
    // A browser has few connections for one host: who does not look needs none.
    document.addEventListener('visibilitychange', () => { if (document.hidden) close(); else { listen(); refresh(); } });
    addEventListener('pagehide', close);
    addEventListener('pageshow', (event) => { if (event.persisted) { listen(); refresh(); } });
    listen();
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
    if (all) for (const box of document.querySelectorAll(`input[name=${quoted(all.dataset.all)}]`)) box.checked = all.checked;
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
    // Where the layout has other letters (о, л, .), the place of the key counts.
    const place = event.shiftKey ? undefined : { KeyJ: 'j', KeyK: 'k', Slash: '/' }[event.code];
    const key = /^[a-z/]$/i.test(event.key) ? event.key : place;
    if (key === '/') {
      event.preventDefault();
      document.querySelector('[data-seek]')?.select();
      document.querySelector('[data-seek]')?.focus();
      return;
    }
    if (key !== 'j' && key !== 'k') return;
    const rows = [...document.querySelectorAll('[data-row]')];
    if (!rows.length) return;
    const marked = rows.findIndex((row) => row.classList.contains('here'));
    const here = marked < 0 ? rows.findIndex((row) => row.contains(document.activeElement)) : marked;
    const next = rows[here < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, here + (key === 'j' ? 1 : -1)))];
    for (const row of rows) row.classList.remove('here');
    next.classList.add('here');
    const link = next.querySelector('a[data-open]') ?? next.querySelector('a');
    if (link) link.focus({ preventScroll: true });
    else document.activeElement?.blur();
    next.scrollIntoView({ block: 'nearest' });
  });
})();
