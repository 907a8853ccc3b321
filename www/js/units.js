// Numbers as people read them. Decimal units: 1 MB is 1,000,000 bytes.

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** 41183 → "41.2 kB". */
export function size(bytes) {
  let unit = 0;
  while (bytes >= 999.5 && unit < UNITS.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || bytes >= 99.95 ? 0 : 1;
  return `${bytes.toFixed(digits)} ${UNITS[unit]}`;
}

/** 0.0042 → "4.2 ms", 12.3 → "12.3 s". */
export function duration(seconds) {
  if (seconds < 1) {
    const ms = seconds * 1000;
    return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
  }
  return `${seconds.toFixed(1)} s`;
}

/**
 * Jain's fairness index of some shares: 1 when all are equal, 1/n when one has everything.
 * Nothing received yet is fair.
 */
export function fairness(shares) {
  const sum = shares.reduce((a, b) => a + b, 0);
  const squares = shares.reduce((a, b) => a + b * b, 0);
  return squares === 0 ? 1 : (sum * sum) / (shares.length * squares);
}
