"""What a machine can see of WCAG 2.2 AA on one page: names, headings, tables, contrast, target sizes."""

from playwright.sync_api import Page

_FAULTS = r"""
() => {
  const faults = [];
  const shown = e => e.checkVisibility({ visibilityProperty: true }) && !e.closest('.hidden, .skip');
  const all = s => [...document.querySelectorAll(s)].filter(shown);
  const say = (rule, e) => faults.push(`${rule}: <${e.tagName.toLowerCase()}> ${(e.id || e.textContent.trim()).slice(0, 40)}`);

  if (!document.documentElement.lang) faults.push('3.1.1 the page has no language');
  if (!document.title.trim()) faults.push('2.4.2 the page has no title');
  if (all('main').length !== 1) faults.push('1.3.1 not one main');
  if (all('h1').length !== 1) faults.push('1.3.1 not one h1');
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  for (const id of new Set(ids.filter((id, n) => ids.indexOf(id) !== n))) faults.push(`4.1.1 two elements are #${id}`);
  for (const e of document.querySelectorAll('[aria-labelledby], [aria-describedby]'))
    for (const id of (e.getAttribute('aria-labelledby') || e.getAttribute('aria-describedby')).split(' '))
      if (!document.getElementById(id)) say(`1.3.1 names #${id}, which is not there`, e);

  let level = 0;
  for (const e of all('h1, h2, h3, h4, h5, h6')) {
    const next = Number(e.tagName[1]);
    if (next > level + 1) say('1.3.1 a heading skips a level', e);
    level = next;
  }
  const named = e => e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || (e.labels && [...e.labels].some(l => l.textContent.trim()));
  for (const e of all('input:not([type=hidden]), select, textarea')) if (!named(e)) say('4.1.2 a field has no label', e);
  for (const e of all('a[href], button')) if (!e.textContent.trim() && !named(e)) say('4.1.2 no name', e);
  for (const e of all('[role=region], nav, form[role=search]')) if (e.matches('[role=region], nav') && !named(e)) say('2.4.6 a region has no name', e);
  for (const e of all('svg')) if (!(e.getAttribute('role') === 'img' && named(e)) && e.getAttribute('aria-hidden') !== 'true') say('1.1.1 a picture has no text', e);
  for (const e of all('th')) if (!e.scope) say('1.3.1 a heading of a table has no scope', e);
  for (const e of all('.scroll, pre')) if (e.scrollWidth > e.clientWidth && e.tabIndex < 0) say('2.1.1 scrolls, and no key reaches it', e);

  const rgb = c => { const m = c.match(/[\d.]+/g).map(Number); return { c: m.slice(0, 3), a: m.length > 3 ? m[3] : 1 }; };
  const light = c => { const [r, g, b] = c.map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const b = rgb(getComputedStyle(e).backgroundColor); if (b.a === 1) return b.c; } return [255, 255, 255]; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || seen.has(e) || !shown(e) || e.closest('option, script, title')) continue;
    seen.add(e);
    const style = getComputedStyle(e);
    const ink = e.closest('svg') ? rgb(style.fill).c : rgb(style.color).c;
    const [x, y] = [light(ink), light(ground(e))].sort((a, b) => b - a);
    if ((x + 0.05) / (y + 0.05) < 4.5) say('1.4.3 too little contrast', e);
  }
  for (const e of all('button, select, input:not([type=hidden]), a.button')) {
    const box = e.getBoundingClientRect();
    if (box.width < 24 || box.height < 24) if (e.type !== 'checkbox' || box.width < 20) say(`2.5.8 ${Math.round(box.width)} x ${Math.round(box.height)} is too small to hit`, e);
  }
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) faults.push('1.4.10 the page scrolls sideways');
  return faults;
}
"""


def faults_of(page: Page) -> list[str]:
    """Rule and element of each fault; empty where none is seen. It sees no meaning: names may still be wrong."""
    found: list[str] = page.evaluate(_FAULTS)
    return found
