"""Verbs that English advice begins with."""

from __future__ import annotations

_WORDS = """
accept add admire adopt agree allow appreciate arrange arrive ask attend avoid award balance bargain bask bathe be
begin board book borrow breathe bring browse build buy call carry catch celebrate change chat check choose climb close
collect combine come compare complete confirm consider continue contrast cook count cover cross dance decide dedicate
delight devote dine discover dive do don't download drag draw dress drift drink drive drop eat embark embrace end
engage enjoy ensure enter escape exchange experience explore fetch fill find finish fit follow forget gather get give
glance go grab greet hang have head hear help hike hire hold hop immerse indulge inquire interact invest investigate
invite join journey jump keep kick know lay lead learn leave let lie linger listen look lose lunch make map marvel
meander meet mingle mix move note observe open opt order organise organize pack paint pause pay pick plan play plunge
pop practise prefer prepare print purchase pursue put reach read recharge reconnect record reflect relax remember rent
repeat replace reserve rest retreat retrace return revisit ride rise roam roll run sail sample save savor savour
search see seek select send set settle share shop show sip sit sketch skip sleep slip slow snack sneak soak socialise
socialize speak spend split spread stand stay start step stick stop store stretch stroll study sunbathe swap swim
switch take talk taste tell thank think throw tour trace travel treat trek try turn uncover unpack unwind use venture
visit wait wake walk wander wash watch wear welcome window-shop wind witness wonder work wrap write photograph please
just simply maybe perhaps always never first then finally afterwards later instead also
"""
IMPERATIVES = frozenset(_WORDS.split())
