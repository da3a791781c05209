export default { kit: { alias: {} } };
