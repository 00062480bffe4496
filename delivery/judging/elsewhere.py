"""Clear phrases of rejections in other languages than English, by their reason. See `phrases` for the rules.

German, French, Spanish, Portuguese, Italian, Dutch, Polish, Czech, Swedish, Danish, Finnish, Turkish, Russian,
Ukrainian, Chinese, Japanese and Korean.
"""

from collections.abc import Mapping

from delivery.judging.terms import Reason

_SENDER = (
    r"(?:absender\w*|exp[ée]diteur|[ée]metteur|remitente|remetente|mittente|afzender|nadawc\w*|odes[ií]latel\w*"
    r"|avsändar\w*|afsender\w*|lähettäj\w*|gönderen\w*|отправител\w*|відправник\w*)"
)
_IP = r"(?:ip|ip-adress\w*|adress\w* ip|serv\w+|сервер\w*|хост\w*|адрес\w* ip)"
_WHO = (
    r"(?:empfänger\w*|benutzer\w*|nutzer\w*|postfach|konto|mailadresse"
    r"|destinataires?|utilisateurs?|adresses?(?! ip)|bo[iî]tes?(?: aux lettres)?|comptes?"
    r"|usuari[oa]s?|destinatari[oa]s?|cuentas?|buz[oó]n(?:es)?|direcci[oó]n(?:es)?(?! ip)|casilla"
    r"|usuári[oa]s?|destinatári[oa]s?|contas?|endereços?(?! ip)|caixas?(?: postal)?"
    r"|utent[ei]|indirizz[oi](?! ip)|casell[ae]|account"
    r"|ontvangers?|gebruikers?|postbus|mailbox|e-mailadres|adres"
    r"|u[zż]ytkownik\w*|odbiorc\w*|adresat\w*|skrzynk\w*|kont[oa]"
    r"|u[zž]ivatel\w*|p[rř][ií]jemc\w*|schr[aá]nk\w*|adresa"
    r"|mottagar\w*|användar\w*|modtager\w*|bruger\w*|vastaanottaj\w*|käyttäj\w*|postilaatikko\w*"
    r"|kullanıcı\w*|alıcı\w*"
    r"|пользовател\w*|получател\w*|адресат\w*|адрес\w*(?! ip)|ящик\w*|аккаунт\w*|учетн\w+ запис\w+|користувач\w*"
    r"|одержувач\w*|скриньк\w*)"
)
_NOT_THERE = (
    r"(?:unbekannt\w*|existiert nicht|nicht (?:gefunden|vorhanden|bekannt)|ungültig\w*"
    r"|inconnue?s?|n'existe (?:pas|plus)|introuvable|invalide|inexistante?"
    r"|descon(?:h|o)ecid\w+|desconocid\w+|no existe|no (?:fue |se )?(?:ha )?encontrad\w+|inexistentes?|inválid\w+"
    r"|n[ãa]o existe|n[ãa]o (?:foi )?(?:encontrad\w+|localizad\w+)"
    r"|sconosciut\w+|inesistent\w+|non (?:esiste|trovat\w+|valid\w+)"
    r"|onbekend|bestaat niet|niet gevonden"
    r"|nie istnieje|nieznan\w+|nie (?:został\w* )?znalezion\w+"
    r"|neexistuje|neznám\w+|nebyl\w* nalezen\w*"
    r"|finns inte|okänd|findes ikke|eksisterer ikke|ukendt|tuntematon|ei (?:löydy|ole olemassa)"
    r"|bulunamad\w+|mevcut değil|geçersiz|yok"
    r"|не (?:найден\w*|существу\w+|зарегистрирован\w*|знайден\w*|існу\w+)|неизвест\w+|отсутству\w+|невідом\w+|нет)"
)
_CLOSED = (
    r"(?:deaktiviert|gesperrt|stillgelegt|inaktiv|désactivée?|suspendue?|inactive?|fermée?"
    r"|deshabilitad\w+|desactivad\w+|suspendid\w+|inactiv\w+|desativad\w+|suspens\w+|inativ\w+|bloquead\w+"
    r"|disabilitat\w+|disattivat\w+|sospes\w+|inattiv\w+|bloccat\w+|uitgeschakeld|geblokkeerd"
    r"|zablokowan\w+|nieaktywn\w+|отключ\w+|заблокирован\w*|неактив\w+)"
)
_REFUSED = (
    r"(?:abgelehnt|nicht (?:erlaubt|zugelassen|akzeptiert)|refusée?|rejetée?|rechazad\w+|rejeitad\w+|recusad\w+"
    r"|rifiutat\w+|geweigerd|odrzucon\w+|odmítnut\w+|отклонен\w*|отклонён\w*|запрещ\w+|відхилен\w*)"
)
_DOMAIN = r"(?:domäne|domain[ae]?|domaine|dominio|domínio|domein|domen\w*|домен\w*)"
_FULL = (
    r"(?:voll|überfüllt|pleine?s?|satur[ée]e?|dépassé|llen[oa]|chei[oa]|lotad[oa]|excedid\w+|pien[oa]|esaurit\w+|vol"
    r"|pełn\w+|przepełnion\w+|pln[áéý]|full|fuld|täynnä|dolu|переполнен\w*|заполнен\w*|полон)"
)

ELSEWHERE: Mapping[Reason, tuple[str, ...]] = {
    Reason.VIRUS: (r"вирус|病毒|ウイルス|ウィルス|바이러스",),
    Reason.GREYLISTED: (r"灰名单|灰名單|グレイリスト|серы[йх] спис\w+|liste grise|lista gris|lista cinza",),
    Reason.TOO_MANY: (
        r"\b(?:zu viele|trop de|demasiad[oa]s|muit[oa]s|troppi|te veel|zbyt wiele)\b.{0,40}"
        r"\b(?:verbindungen|nachrichten|mails|connexions|messages|conexiones|mensajes|conexões|mensagens|messaggi"
        r"|connessioni|berichten|wiadomości)",
        r"слишком (?:много|часто)|频率|頻率|频繁|頻繁|连接(?:数|过多)|多すぎ|送信(?:制限|上限)",
    ),
    Reason.BLOCKED: (
        r"\b(?:sperrliste|schwarze\w* liste|liste noire|lista negra|lista nera|zwarte lijst|czarn\w+ li\w+)",
        r"ч[её]рн\w+ спис|чорн\w+ спис|黑名单|黑名單|ブラックリスト|拒否リスト|블랙리스트",
        rf"\b{_IP}\b.{{0,60}}\b(?:gesperrt|blockiert|abgelehnt|bloqu\w+|refus\w+|rechazad\w+|recusad\w+|bloccat\w+"
        r"|rifiutat\w+|geblokkeerd|zablokowan\w+|odrzucon\w+|заблокирован\w*|запрещ[её]н\w*)",
        r"\b(?:gesperrt|bloqu\w+|bloccat\w+|заблокирован\w*)\b.{0,40}\bip\b",
        r"(?:ip|服务器|伺服器).{0,20}(?:被?(?:拒绝|拒絕|封|禁|屏蔽|限制)|信誉|信譽)|(?:接続|ipアドレス).{0,20}(?:拒否|ブロック)",
        r"반송.{0,10}차단|ip.{0,20}차단|обратн\w+ (?:зон|dns|запис)",
    ),
    Reason.SENDER_REJECTED: (
        rf"\b{_SENDER}\b.{{0,60}}(?:{_NOT_THERE}|{_REFUSED})|(?:{_NOT_THERE}|{_REFUSED}).{{0,20}}\b{_SENDER}\b",
        rf"\b{_DOMAIN}\b.{{0,20}}\b{_SENDER}\b",
        r"(?:发件人|發件人|寄件者|寄件人|发信人|發信人|发送者|发送方).{0,15}(?:不|拒|无|無|禁|未|错误|錯誤)",
        r"(?:送信者|差出人|送信元|発信者).{0,20}(?:存在|不明|拒否|認証|見つか|無効)",
        r"(?:보낸 ?사람|발신자).{0,15}(?:없|거부|차단)",
    ),
    Reason.SPAM: (
        r"спам|垃圾邮件|垃圾郵件|垃圾信|迷惑メール|スパム|스팸|\bpourriels?\b|\bindésirables?\b",
        r"\b(?:correo|mensaje) (?:basura|no deseado)|\bnão solicitad\w+|\bunerwünscht\w*|\bindesiderat\w+",
    ),
    Reason.TOO_BIG: (
        r"\bzu (?:groß|gross)\b|\btrop (?:volumineux|grosse?|grande?|lourde?)\b|\bdemasiado grande|\bmuito grande"
        r"|\btroppo grande|\bte groot|\bzbyt duż\w+|\bpříliš velk\w+",
        r"слишком (?:больш\w+|велик\w*)|(?:邮件|郵件|信件|附件).{0,10}(?:过大|太大|過大|超过|超過)",
        r"サイズ.{0,12}(?:超|大き)|大きすぎ",
    ),
    Reason.MAILBOX_FULL: (
        rf"\b{_WHO}\b.{{0,60}}\b{_FULL}\b|\b(?:cuota|quota|kontingent|квот\w+)\b.{{0,40}}\b(?:exced\w+|superad\w+"
        r"|dépass\w+|überschritten|превышен\w*|superat\w+|przekroczon\w+)",
        r"容量(?:が|を|不足|已满|已滿)|(?:邮箱|郵箱|信箱|空间|空間|配额|配額).{0,10}(?:满|滿|超|不足)|一杯|いっぱい|満杯|용량",
    ),
    Reason.DISABLED: (
        rf"\b{_WHO}\b.{{0,60}}\b{_CLOSED}\b",
        r"(?:用户|用戶|帐号|帳號|账号|邮箱|信箱).{0,10}(?:停用|冻结|凍結|禁用|锁定|鎖定|停权|暂停)",
        r"(?:アカウント|アドレス|メールボックス).{0,12}(?:停止|無効|休止)|(?:계정|메일함).{0,10}(?:정지|휴면|비활성)",
    ),
    Reason.NO_SUCH_USER: (
        rf"(?<!ip )(?<!ip-)\b{_WHO}\b.{{0,50}}\b{_NOT_THERE}\b",
        rf"\b(?:unbekannt\w*|ungültig\w*|desconocid[oa]|desconhecid[oa]|nieznan\w+|onbekende?|неизвестн\w+"
        rf"|несуществующ\w+|нет такого|нема такого|neznám\w+|inexistente?) {_WHO}\b",
        r"\bkein(?:e|en)? (?:solche[rs]? )?(?:empfänger|benutzer|postfach|konto|mailbox)\b",
        r"\b(?:aucun|pas d[e']) ?(?:utilisateur|destinataire|compte|bo[iî]te)",
        r"\bno hay (?:ning[uú]n )?(?:usuario|buz[oó]n)|\bnessun (?:utente|destinatario)",
        r"(?:用户|用戶|收件人|收信人|帐号|帳號|账号|邮箱|郵箱|信箱|(?<!ip)地址|使用者).{0,12}(?:不存在|不正确|有误|无效|無效|找不到)",
        r"(?:不存在|没有|沒有|查无|查無|无此|無此|找不到).{0,6}(?:用户|用戶|收件人|收信人|帐号|帳號|账号|邮箱|郵箱|信箱|使用者)",
        r"(?:宛先|あて先|ユーザー?|(?<!ip)アドレス|メールボックス|アカウント|受信者).{0,20}(?:不明|存在し(?:ま|な)|見つかり|ありません|間違)",
        r"ディレクトリ.{0,12}見つかり",
        r"(?:사용자|수신자|받는 ?사람|메일 ?주소|계정|메일함).{0,12}(?:존재하지|없습니다|찾을 수 없|없는)",
        r"(?:존재하지 않는|없는) ?(?:사용자|수신자|메일|계정)",
    ),
}
