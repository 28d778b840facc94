export * from './sheet.js';
export * from './formula.js';
export * from './workbook.js';
