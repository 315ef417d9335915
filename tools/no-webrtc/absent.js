/** The names that WebTorrent imports from `webrtc-polyfill`; none of them can be made. */
function Absent() {
  throw new Error('there is no WebRTC here')
}

export { Absent as RTCIceCandidate, Absent as RTCPeerConnection, Absent as RTCSessionDescription }
