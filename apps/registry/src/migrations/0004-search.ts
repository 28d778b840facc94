import { ground, type Migration } from '#database';

/**
 * Search by a part of a name. Row-level security would switch the index off (`@>` on arrays is not leakproof, so the
 * wall would have to be asked row by row first), so the app searches through `establishments_named` alone: it runs as
 * the owner, who sees this one table whole by a policy of its own, and the range of the caller is written out inside.
 */
export const search: Migration = {
  name: '0004-search',
  sql: `
create table establishment_search (
  establishment_id uuid primary key,
  division text collate "C" not null,
  -- As the establishment has it: a sweep sees by it what an older version of the service registered or renamed.
  name text not null,
  -- What is searched: the name in lower case and half width, a line break, its pinyin initials. Without a line break
  -- the initials are still to come (a sweep spells them: they need a dictionary that PostgreSQL has not).
  text text not null,
  -- Every one- and two-character piece of the text, and #<county>, #<township>.
  grams text[] not null
);
create index establishment_search_grams on establishment_search using gin (grams);
${ground('establishment_search', 'registry_app', 'select, insert, update')}
create policy search_reads on establishment_search for select to registry_owner using (true);

create function establishments_named(wanted text, pieces text[], after_division text, after_id uuid, most integer)
returns table (division text, id uuid)
language sql stable security definer rows 100
set search_path = pg_catalog, pg_temp
as $$
  select s.division, s.establishment_id from public.establishment_search s
  where s.grams @> pieces and strpos(s.text, wanted) > 0
    and s.division >= public.app_lo() and s.division < public.app_hi()
    and (s.division, s.establishment_id) > (after_division, after_id)
  order by s.division, s.establishment_id limit most
$$;
revoke all on function establishments_named(text, text[], text, uuid, integer) from public;
grant execute on function establishments_named(text, text[], text, uuid, integer) to registry_app;

-- A file is read part by part: compressed, each part would be unpacked from the start.
alter table ledger_import alter column file set storage external;

-- Under FORCE the owner sees no establishment either. Nobody else sees the table while this step holds it.
alter table establishment no force row level security;
alter table establishment_search no force row level security;
insert into establishment_search (establishment_id, division, name, text, grams)
select e.id, e.division, e.name, f.text,
       array(select distinct piece from generate_series(1, char_length(f.text)) n,
             lateral (values (substr(f.text, n, 1)), (substr(f.text, n, 2))) as p(piece))
         || array['#' || left(e.division, 6), '#' || left(e.division, 9)]
from establishment e, lateral (select lower(normalize(e.name, nfkc)) as text) f;
do $$ begin
  if (select count(*) from establishment) <> (select count(*) from establishment_search) then
    raise exception 'Not every establishment has its row for the search.';
  end if;
end $$;
alter table establishment force row level security;
alter table establishment_search force row level security;
`,
};
