'use strict';
(() => {
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));

  // A pointer over a shape, or a tap on it, shows its figures.
  const tip = document.getElementById('tip');
  const show = (event) => {
    const shape = event.target.closest && event.target.closest('[data-tip]');
    if (!shape) { tip.hidden = true; return; }
    tip.textContent = shape.getAttribute('data-tip');
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const x = Math.min(event.clientX + 14, document.documentElement.clientWidth - box.width - 8);
    const y = event.clientY + 18 + box.height > window.innerHeight ? event.clientY - box.height - 12 : event.clientY + 18;
    tip.style.left = Math.max(8, x) + 'px';
    tip.style.top = Math.max(8, y) + 'px';
  };
  document.addEventListener('pointermove', show);
  document.addEventListener('pointerdown', show);
  document.addEventListener('scroll', () => { tip.hidden = true; }, true);

  // A variant's button hides and shows it in every chart and table.
  all('.legend button').forEach((button) => button.addEventListener('click', () => {
    const on = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', String(on));
    all('.v.' + button.dataset.variant).forEach((e) => e.classList.toggle('off', !on));
  }));

  // A heading sorts the rows within each load; a second press turns the order round.
  all('table[data-sortable]').forEach((table) => all('thead button', table).forEach((button) => button.addEventListener('click', () => {
    const cell = button.closest('th');
    const column = cell.cellIndex;
    const down = cell.getAttribute('aria-sort') === 'ascending';
    all('thead th', table).forEach((th) => th.removeAttribute('aria-sort'));
    cell.setAttribute('aria-sort', down ? 'descending' : 'ascending');
    const value = (row) => { const v = row.cells[column].dataset.v; return v === '' || v === undefined ? NaN : Number(v); };
    for (const body of table.tBodies) {
      const rows = all('tr.v', body);
      rows.sort((a, b) => {
        const x = value(a), y = value(b);
        if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
        return down ? y - x : x - y;
      });
      body.append(...rows);
    }
  })));

  const copied = document.getElementById('copied');
  const copy = (text) => {
    const area = document.createElement('textarea');
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    return done;
  };
  all('[data-copy]').forEach((button) => button.addEventListener('click', async () => {
    const source = document.getElementById(button.dataset.copy);
    const text = source.value === undefined ? source.textContent : source.value;
    let done = false;
    try { await navigator.clipboard.writeText(text); done = true; } catch (refused) { done = copy(text); }
    copied.textContent = done ? 'copied' : 'the browser refused; select the text below';
  }));
})();
