#!/usr/bin/env bash
# The image as it is meant to be run: built, read-only, without capabilities, as user 1000; healthy; an object
# survives its restart; then the same by compose, and two gateways over one PostgreSQL by the other compose file. Prints what it measured and `N passed, N failed, N skipped`.
# Needs a Docker Engine; WITH_DOCKER_COMMAND may name a program that starts one around a command.
set -uo pipefail
cd "$(dirname "$0")/../.."

CHECKS=25
if ! docker version >/dev/null 2>&1; then
  if [ -n "${WITH_DOCKER_COMMAND:-}" ] && [ -z "${SLUICE_DOCKER_TRIED:-}" ]; then
    SLUICE_DOCKER_TRIED=1 exec "$WITH_DOCKER_COMMAND" bash e2e/docker/run.sh
  fi
  echo 'No Docker Engine answers (docker version fails), and WITH_DOCKER_COMMAND names no program that starts one.'
  echo "0 passed, 0 failed, $CHECKS skipped"
  exit 0
fi

export SLUICE_IMAGE=sluice:e2e-$$
export SLUICE_ROOT_ACCESS_KEY=DOCKERE2ETEST SLUICE_ROOT_SECRET_KEY=docker-e2e+secret/key
NAME=sluice-e2e-$$
passed=0 failed=0

cleanup() {
  docker rm -f "$NAME" >/dev/null 2>&1
  compose down -v >/dev/null 2>&1
  cluster down -v >/dev/null 2>&1
  docker volume rm "$NAME" >/dev/null 2>&1
  docker rmi "$SLUICE_IMAGE" >/dev/null 2>&1
  [ -z "${made_postgres:-}" ] || docker rmi "$POSTGRES_IMAGE" >/dev/null 2>&1
}
trap cleanup EXIT

compose() {
  if docker compose version >/dev/null 2>&1; then docker compose -p "$NAME" "$@"; else docker-compose -p "$NAME" "$@"; fi
}
cluster() { compose -f compose.cluster.yaml "$@"; }
free_port() { node -e "const s=require('net').createServer().listen(0,'127.0.0.1',()=>{console.log(s.address().port);s.close()})"; }
now() { date +%s%3N; }
check() {
  local what=$1
  shift
  if "$@"; then passed=$((passed + 1)) && echo "ok      $what"; else failed=$((failed + 1)) && echo "FAILED  $what"; fi
}
ask() { node tools/run.cjs node e2e/docker/client.ts "$@"; }
finish() {
  printf '\n%s passed, %s failed, %s skipped\n' "$passed" "$failed" $((CHECKS - passed - failed))
  [ "$failed" -eq 0 ]
  exit
}
healthy() {
  for _ in $(seq 150); do
    [ "$(docker inspect -f '{{.State.Health.Status}}' "$1" 2>/dev/null)" = healthy ] && return 0
    sleep 0.2
  done
  docker logs "$1" 2>&1 | tail -n 20
  return 1
}
# Sets `endpoint` and `ready`: milliseconds until the first 200.
start() {
  local began
  began=$(now)
  docker run -d --name "$NAME" --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges:true \
    --health-interval 1s -e SLUICE_ROOT_ACCESS_KEY -e SLUICE_ROOT_SECRET_KEY -e SLUICE_BUCKETS=declared \
    -v "$NAME:/data" -p 127.0.0.1::9000 "$SLUICE_IMAGE" >/dev/null || return 1
  endpoint=http://$(docker port "$NAME" 9000/tcp | head -n 1)
  for _ in $(seq 300); do
    curl -fsS -o /dev/null "$endpoint/healthz" 2>/dev/null && break
    sleep 0.02
  done
  ready=$(($(now) - began))
}
# Sets `stopped` (milliseconds) and checks that the end was an orderly one.
stop() {
  local began
  began=$(now)
  docker stop -t 20 "$NAME" >/dev/null
  stopped=$(($(now) - began))
  [ "$(docker inspect -f '{{.State.ExitCode}}' "$NAME")" = 0 ]
}
same() { [ "$1" = "$2" ] || { echo "got: $1" && return 1; }; }

began=$(now)
check 'the image builds' docker build -q --network host -t "$SLUICE_IMAGE" .
built=$(($(now) - began))
[ "$failed" -eq 0 ] || finish
check 'the program runs in it' docker run --rm --read-only --cap-drop ALL "$SLUICE_IMAGE" version
check 'libtorrent is in it' docker run --rm --read-only --cap-drop ALL --entrypoint node "$SLUICE_IMAGE" -e \
  "import('./src/torrent/libtorrent/native.ts').then(({ loadNative }) => console.log('libtorrent', loadNative().version))"
check 'a wrong flag is told with exit code 2' bash -c 'docker run --rm "$SLUICE_IMAGE" serve --prot 1 2>&1 | grep "did you mean --port"'

check 'it starts read-only and without capabilities' start
check 'its own health check calls it healthy' healthy "$NAME"
check 'it is user 1000' same "$(docker exec "$NAME" id -u)" 1000
check 'an object is put into the declared bucket' ask PUT "$endpoint" /declared/object 'kept in a volume'
rss=$(docker exec "$NAME" grep VmRSS /proc/1/status | tr -dc 0-9)
first=$ready
check 'it stops in order' stop
docker rm "$NAME" >/dev/null
start
check 'a new container on the volume has the object' same "$(ask GET "$endpoint" /declared/object)" 'kept in a volume'
docker kill -s KILL "$NAME" >/dev/null && docker rm "$NAME" >/dev/null
start
check 'so has one after a kill -9' same "$(ask GET "$endpoint" /declared/object)" 'kept in a volume'
docker rm -f "$NAME" >/dev/null

export SLUICE_BUCKETS=composed SLUICE_PORT
SLUICE_PORT=$(free_port)
composed() {
  compose up -d --no-build >/dev/null 2>&1 && healthy "$(compose ps -q sluice)"
}
check 'compose brings it up healthy' composed
check 'its declared bucket takes an object' ask PUT "http://127.0.0.1:$SLUICE_PORT" /composed/object x
check 'compose takes it down' compose down -v

export SLUICE_PORT_2 POSTGRES_IMAGE POSTGRES_PASSWORD='docker e2e password' BLOBS_SECRET_KEY=docker-e2e-blobs+secret
SLUICE_PORT_2=$(free_port)
POSTGRES_IMAGE=${POSTGRES_IMAGE:-postgres:17-bookworm}
postgres_image() {
  docker image inspect "$POSTGRES_IMAGE" >/dev/null 2>&1 || docker pull -q "$POSTGRES_IMAGE" >/dev/null 2>&1 && return 0
  POSTGRES_IMAGE=sluice-e2e-postgres made_postgres=yes
  docker build -q --network host -t "$POSTGRES_IMAGE" -f e2e/docker/postgres.Dockerfile e2e/docker
}
cluster_up() {
  cluster up -d --no-build >/dev/null 2>&1 && healthy "$(cluster ps -q gateway-1)" && healthy "$(cluster ps -q gateway-2)"
}
one=http://127.0.0.1:$SLUICE_PORT two=http://127.0.0.1:$SLUICE_PORT_2
large=$(printf 'in a blob %.0s' $(seq 6000))
check "there is a PostgreSQL ($POSTGRES_IMAGE, or Debian's)" postgres_image
check 'compose brings up two gateways, PostgreSQL and the S3 behind, all healthy' cluster_up
check 'a small object is put through one gateway' ask PUT "$one" /composed/small 'in a row'
check 'and is there through the other' same "$(ask GET "$two" /composed/small)" 'in a row'
check 'a large one is put through the other' ask PUT "$two" /composed/large "$large"
check 'and is there through the one' same "$(ask GET "$one" /composed/large)" "$large"
docker kill -s KILL "$(cluster ps -q gateway-1)" >/dev/null
check 'with one killed, the other has both' same "$(ask GET "$two" /composed/small) $(ask GET "$two" /composed/large)" "in a row $large"
check 'and takes more' ask PUT "$two" /composed/more 'while one was away'
check 'all are up again' cluster_up
check 'the one that was killed has it all' same "$(ask GET "$one" /composed/more)" 'while one was away'
check 'compose takes them down' cluster down -v

printf '\nbuild %s.%03d s, first 200 after %s ms (again: %s ms), stopped in %s ms, RSS %s MiB, image %s MB\n' \
  $((built / 1000)) $((built % 1000)) "$first" "$ready" "$stopped" $((rss / 1024)) \
  "$(($(docker image inspect -f '{{.Size}}' "$SLUICE_IMAGE") / 1000000))"
finish
