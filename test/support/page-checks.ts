import type { Page } from "playwright-core";

/** To be evaluated in a page: texts whose contrast is below WCAG 2.2 AA, 1.4.3. */
export const contrastProblems = String.raw`(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgb = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const backgroundOf = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = rgb(getComputedStyle(one).backgroundColor);
      if (color[3] === 255) return color;
    }
    return [255, 255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const problems = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    const [a, b] = [luminance(rgb(getComputedStyle(element).color)), luminance(backgroundOf(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) problems.push(walker.currentNode.textContent.trim() + " " + ratio.toFixed(2));
  }
  return problems;
})()`;

/** The first control that a screen reader has no name for, null when there is none. */
export async function controlWithoutName(page: Page): Promise<string | null> {
  const nameless = /^\s*- (?:button|link|textbox|radio|combobox)(?::| \[|$).*$/m;
  return nameless.exec(await page.locator("body").ariaSnapshot())?.[0] ?? null;
}
