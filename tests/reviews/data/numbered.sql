-- A database of reviews as version 0.1 before the second migration made it (events known by their number), as SQL text.
BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'studyapp','m001_log_and_cards','2026-11-26 15:53:50.289342+00:00');
CREATE TABLE cards (
            card TEXT PRIMARY KEY, state TEXT NOT NULL, step INTEGER, due_at TEXT, due_day INTEGER, stability REAL,
            difficulty REAL, last_day INTEGER, last_at TEXT, reps INTEGER NOT NULL, lapses INTEGER NOT NULL,
            suspended INTEGER NOT NULL, buried_day INTEGER, leech INTEGER NOT NULL, seq INTEGER NOT NULL);
INSERT INTO "cards" VALUES('a#recall','review',NULL,NULL,20760,2.3065,2.11121423578539513243e+00,20758,'2026-11-01T09:10:00.000000+00:00',2,0,0,NULL,0,2);
INSERT INTO "cards" VALUES('d#recall','review',NULL,NULL,20767,8.2956,1.0,20758,'2026-11-01T12:00:00.000000+00:00',1,0,0,NULL,0,10);
INSERT INTO "cards" VALUES('e#recall','review',NULL,NULL,20759,2.8420635927589488201e-01,6.39094132352437949151e+00,20758,'2026-11-01T13:00:00.000000+00:00',3,0,0,NULL,0,13);
INSERT INTO "cards" VALUES('f#recall','learning',1,'2026-11-01T16:10:00.000000+00:00',NULL,2.3065,2.11810397045901588342e+00,20758,'2026-11-01T16:00:00.000000+00:00',1,0,0,NULL,0,16);
INSERT INTO "cards" VALUES('g#recall','review',NULL,NULL,20760,2.3065,2.11121423578539513243e+00,20758,'2026-11-01T17:11:00.000000+00:00',2,0,0,NULL,0,20);
INSERT INTO "cards" VALUES('h#recall','learning',1,'2026-11-01T19:10:00.000000+00:00',NULL,2.3065,2.11810397045901588342e+00,20758,'2026-11-01T19:00:00.000000+00:00',1,0,0,NULL,0,23);
INSERT INTO "cards" VALUES('i#recall','review',NULL,NULL,20802,3.12575571509450931282e+01,4.0106089692968387439e+00,20769,'2026-11-12T09:00:00.000000+00:00',2,0,0,NULL,0,26);
INSERT INTO "cards" VALUES('j#recall','learning',1,'2026-11-13T09:10:00.000000+00:00',NULL,2.3065,2.11810397045901588342e+00,20770,'2026-11-13T09:00:00.000000+00:00',1,0,0,NULL,0,29);
INSERT INTO "cards" VALUES('k#recall','relearning',0,'2026-12-01T09:10:00.000000+00:00',NULL,1.13320084895598416352e+00,7.02698956929683848926e+00,20788,'2026-12-01T09:00:00.000000+00:00',3,1,0,NULL,0,32);
INSERT INTO "cards" VALUES('c#recall','new',NULL,NULL,NULL,NULL,NULL,NULL,NULL,0,0,1,NULL,0,34);
INSERT INTO "cards" VALUES('b#recall','learning',0,'2026-11-01T10:01:00.000000+00:00',NULL,0.212,6.4133,20758,'2026-11-01T10:00:00.000000+00:00',1,0,0,20758,0,36);
CREATE TABLE events (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, card TEXT NOT NULL, at TEXT NOT NULL,
            day INTEGER NOT NULL, rating INTEGER CHECK (rating BETWEEN 1 AND 4), ticked TEXT NOT NULL,
            suggested INTEGER, seconds REAL NOT NULL, language TEXT NOT NULL, was TEXT,
            target INTEGER REFERENCES events (seq), recipe INTEGER REFERENCES recipes (id), device TEXT NOT NULL,
            CHECK (kind IN ('review', 'undo', 'redo', 'suspend', 'unsuspend', 'bury', 'reset')),
            CHECK ((kind = 'review') = (rating IS NOT NULL)),
            CHECK ((kind IN ('undo', 'redo')) = (target IS NOT NULL)));
INSERT INTO "events" VALUES(1,'review','a#recall','2026-11-01T09:00:00.000000+00:00',20758,3,'[0, 1]',2,31.5,'en','new',NULL,1,'laptop');
INSERT INTO "events" VALUES(2,'review','a#recall','2026-11-01T09:10:00.000000+00:00',20758,3,'[0, 1, 2]',3,12.0,'zh','learning',NULL,1,'laptop');
INSERT INTO "events" VALUES(3,'review','b#recall','2026-11-01T10:00:00.000000+00:00',20758,1,'[]',1,70.25,'en','new',NULL,1,'laptop');
INSERT INTO "events" VALUES(4,'bury','b#recall','2026-11-01T11:00:00.000000+00:00',20758,NULL,'[]',NULL,0.0,'en',NULL,NULL,NULL,'laptop');
INSERT INTO "events" VALUES(5,'suspend','c#recall','2026-11-01T11:00:00.000000+00:00',20758,NULL,'[]',NULL,0.0,'en',NULL,NULL,NULL,'laptop');
INSERT INTO "events" VALUES(6,'review','d#recall','2026-11-01T12:00:00.000000+00:00',20758,4,'[]',NULL,0.0,'en','new',NULL,1,'laptop');
INSERT INTO "events" VALUES(7,'undo','d#recall','2026-11-01T12:00:00.000000+00:00',20758,NULL,'[]',NULL,0.0,'en',NULL,6,NULL,'laptop');
INSERT INTO "events" VALUES(8,'redo','d#recall','2026-11-01T12:00:00.000000+00:00',20758,NULL,'[]',NULL,0.0,'en',NULL,6,NULL,'laptop');
INSERT INTO "events" VALUES(9,'review','d#recall','2026-11-10T09:00:00.000000+00:00',20767,1,'[]',NULL,0.0,'en','review',NULL,1,'laptop');
INSERT INTO "events" VALUES(10,'undo','d#recall','2026-11-10T09:00:00.000000+00:00',20767,NULL,'[]',NULL,0.0,'en',NULL,9,NULL,'laptop');
INSERT INTO "events" VALUES(11,'review','e#recall','2026-11-01T13:00:00.000000+00:00',20758,1,'[]',NULL,0.0,'en','new',NULL,1,'laptop');
INSERT INTO "events" VALUES(12,'review','e#recall','2026-11-01T13:00:00.000000+00:00',20758,3,'[]',NULL,0.0,'en','learning',NULL,1,'laptop');
INSERT INTO "events" VALUES(13,'review','e#recall','2026-11-01T13:00:00.000000+00:00',20758,3,'[]',NULL,0.0,'en','learning',NULL,1,'laptop');
INSERT INTO "events" VALUES(14,'review','f#recall','2026-11-01T14:00:00.000000+00:00',20758,4,'[]',NULL,0.0,'en','new',NULL,1,'laptop');
INSERT INTO "events" VALUES(15,'reset','f#recall','2026-11-01T15:00:00.000000+00:00',20758,NULL,'[]',NULL,0.0,'en',NULL,NULL,NULL,'laptop');
INSERT INTO "events" VALUES(16,'review','f#recall','2026-11-01T16:00:00.000000+00:00',20758,3,'[]',NULL,0.0,'en','new',NULL,1,'laptop');
INSERT INTO "events" VALUES(17,'review','g#recall','2026-12-11T09:00:00.000000+00:00',20798,4,'[]',NULL,0.0,'en','new',NULL,1,'laptop');
INSERT INTO "events" VALUES(18,'undo','g#recall','2026-11-01T17:00:00.000000+00:00',20758,NULL,'[]',NULL,0.0,'en',NULL,17,NULL,'laptop');
INSERT INTO "events" VALUES(19,'review','g#recall','2026-11-01T17:00:00.000000+00:00',20758,3,'[]',NULL,0.0,'en','new',NULL,1,'laptop');
INSERT INTO "events" VALUES(20,'review','g#recall','2026-11-01T17:11:00.000000+00:00',20758,3,'[]',NULL,0.0,'en','learning',NULL,1,'laptop');
INSERT INTO "events" VALUES(21,'review','h#recall','2026-12-11T09:00:00.000000+00:00',20798,4,'[]',NULL,0.0,'en','new',NULL,1,'laptop');
INSERT INTO "events" VALUES(22,'reset','h#recall','2026-12-11T10:00:00.000000+00:00',20798,NULL,'[]',NULL,0.0,'en',NULL,NULL,NULL,'laptop');
INSERT INTO "events" VALUES(23,'review','h#recall','2026-11-01T19:00:00.000000+00:00',20758,3,'[]',NULL,0.0,'en','new',NULL,1,'laptop');
INSERT INTO "events" VALUES(24,'review','i#recall','2026-11-01T19:00:00.000000+00:00',20758,4,'[]',NULL,0.0,'en','new',NULL,1,'laptop');
INSERT INTO "events" VALUES(25,'bury','i#recall','2026-12-11T09:00:00.000000+00:00',20798,NULL,'[]',NULL,0.0,'en',NULL,NULL,NULL,'laptop');
INSERT INTO "events" VALUES(26,'review','i#recall','2026-11-12T09:00:00.000000+00:00',20769,2,'[]',NULL,0.0,'en','review',NULL,1,'laptop');
INSERT INTO "events" VALUES(27,'review','j#recall','2026-11-13T09:00:00.000000+00:00',20770,3,'[]',NULL,0.0,'en','new',NULL,1,'laptop');
INSERT INTO "events" VALUES(28,'undo','j#recall','2026-11-12T09:00:00.000000+00:00',20769,NULL,'[]',NULL,0.0,'en',NULL,27,NULL,'laptop');
INSERT INTO "events" VALUES(29,'redo','j#recall','2026-11-12T08:00:00.000000+00:00',20769,NULL,'[]',NULL,0.0,'en',NULL,27,NULL,'laptop');
INSERT INTO "events" VALUES(30,'review','k#recall','2026-11-13T09:00:00.000000+00:00',20770,3,'[]',NULL,0.0,'en','new',NULL,2,'laptop');
INSERT INTO "events" VALUES(31,'review','k#recall','2026-11-13T09:10:00.000000+00:00',20770,4,'[]',NULL,0.0,'en','learning',NULL,2,'laptop');
INSERT INTO "events" VALUES(32,'review','k#recall','2026-12-01T09:00:00.000000+00:00',20788,1,'[]',NULL,0.0,'en','review',NULL,2,'laptop');
INSERT INTO "events" VALUES(33,'unsuspend','c#recall','2026-12-01T09:00:00.000000+00:00',20788,NULL,'[]',NULL,0.0,'en',NULL,NULL,NULL,'laptop');
INSERT INTO "events" VALUES(34,'suspend','c#recall','2026-12-02T09:00:00.000000+00:00',20789,NULL,'[]',NULL,0.0,'en',NULL,NULL,NULL,'laptop');
INSERT INTO "events" VALUES(35,'review','b#recall','2026-12-02T09:00:00.000000+00:00',20789,2,'[]',NULL,0.0,'en','learning',NULL,2,'laptop');
INSERT INTO "events" VALUES(36,'undo','b#recall','2026-12-02T09:00:00.000000+00:00',20789,NULL,'[]',NULL,0.0,'en',NULL,35,NULL,'laptop');
CREATE TABLE recipes (id INTEGER PRIMARY KEY, body TEXT NOT NULL UNIQUE);
INSERT INTO "recipes" VALUES(1,'{"desired_retention": 0.9, "learning_steps_minutes": [1, 10], "leech_lapses": 8, "max_interval_days": 36500, "parameters": [0.212, 1.2931, 2.3065, 8.2956, 6.4133, 0.8334, 3.0194, 0.001, 1.8722, 0.1666, 0.796, 1.4835, 0.0614, 0.2629, 1.6483, 0.6014, 1.8729, 0.5425, 0.0912, 0.0658, 0.1542], "relearning_steps_minutes": [10], "version": "FSRS-6/fsrs-6.3.2"}');
INSERT INTO "recipes" VALUES(2,'{"desired_retention": 0.8, "learning_steps_minutes": [1.0, 10.0, 60.0], "leech_lapses": 8, "max_interval_days": 36500, "parameters": [0.212, 1.2931, 2.3065, 8.2956, 6.4133, 0.8334, 3.0194, 0.001, 1.8722, 0.1666, 0.796, 1.4835, 0.0614, 0.2629, 1.6483, 0.6014, 1.8729, 0.5425, 0.0912, 0.0658, 0.1542], "relearning_steps_minutes": [10], "version": "FSRS-6/fsrs-6.3.2"}');
CREATE TABLE undone (target INTEGER PRIMARY KEY, undo INTEGER NOT NULL);
INSERT INTO "undone" VALUES(9,10);
INSERT INTO "undone" VALUES(17,18);
INSERT INTO "undone" VALUES(35,36);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX events_of_card ON events (card, seq);
CREATE INDEX events_of_day ON events (day, kind);
CREATE TRIGGER events_stay BEFORE UPDATE ON events
            BEGIN SELECT RAISE(ABORT, 'the log of events is only added to'); END;
CREATE TRIGGER events_remain BEFORE DELETE ON events
            BEGIN SELECT RAISE(ABORT, 'the log of events is only added to'); END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',36);
COMMIT;
