# Debian's PostgreSQL with the settings of Docker's own image, for where no registry can be reached. For tests.
ARG NODE_IMAGE=node:26-bookworm-slim
FROM ${NODE_IMAGE}
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql && rm -rf /var/lib/apt/lists/*
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/data
COPY postgres.sh /
RUN mkdir -p $PGDATA && chown postgres:postgres $PGDATA
USER postgres
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["sh", "/postgres.sh"]
