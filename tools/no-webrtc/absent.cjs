/** In the place of `utp-native`: WebTorrent asks what it can do, and goes by TCP. */
module.exports = {}
