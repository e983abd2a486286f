"""Cities and countries with the IANA time zone that a person means by them."""

from __future__ import annotations

_TABLE = """
Africa/Abidjan: Abidjan, Ivory Coast
Africa/Accra: Accra, Ghana
Africa/Addis_Ababa: Addis Ababa, Ethiopia
Africa/Algiers: Algiers, Algeria
Africa/Cairo: Cairo, Egypt, Alexandria
Africa/Casablanca: Casablanca, Morocco, Marrakesh
Africa/Dakar: Dakar, Senegal
Africa/Harare: Harare, Zimbabwe
Africa/Johannesburg: Johannesburg, South Africa, Cape Town
Africa/Kampala: Kampala, Uganda
Africa/Lagos: Lagos, Nigeria, Abuja
Africa/Nairobi: Nairobi, Kenya
Africa/Tunis: Tunis, Tunisia
America/Anchorage: Anchorage, Alaska
America/Argentina/Buenos_Aires: Buenos Aires, Argentina
America/Bogota: Bogota, Colombia
America/Caracas: Caracas, Venezuela
America/Chicago: Chicago, Houston, Dallas, Austin
America/Denver: Denver, Colorado, Salt Lake City
America/Detroit: Detroit
America/Edmonton: Edmonton, Calgary
America/Guatemala: Guatemala
America/Halifax: Halifax
America/Havana: Havana, Cuba
America/Jamaica: Jamaica, Kingston
America/La_Paz: La Paz, Bolivia
America/Lima: Lima, Peru
America/Los_Angeles: Los Angeles, San Francisco, Seattle, San Diego, LA, Las Vegas, California, Portland
America/Mexico_City: Mexico City
America/Montevideo: Montevideo, Uruguay
America/New_York: New York, Boston, Miami, Washington, NYC, Philadelphia, Atlanta, New York City
America/Panama: Panama
America/Phoenix: Phoenix, Arizona
America/Santiago: Santiago, Chile
America/Sao_Paulo: Sao Paulo, Rio de Janeiro, Rio
America/Toronto: Toronto, Ottawa, Montreal
America/Vancouver: Vancouver
Asia/Almaty: Almaty
Asia/Baghdad: Baghdad, Iraq
Asia/Baku: Baku, Azerbaijan
Asia/Bangkok: Bangkok, Thailand
Asia/Beirut: Beirut, Lebanon
Asia/Colombo: Colombo, Sri Lanka
Asia/Damascus: Damascus, Syria
Asia/Dhaka: Dhaka, Bangladesh
Asia/Dubai: Dubai, Abu Dhabi, the UAE
Asia/Ho_Chi_Minh: Ho Chi Minh City, Hanoi, Vietnam, Saigon
Asia/Hong_Kong: Hong Kong
Asia/Jakarta: Jakarta
Asia/Jerusalem: Jerusalem, Tel Aviv, Israel
Asia/Kabul: Kabul, Afghanistan
Asia/Karachi: Karachi, Pakistan, Lahore
Asia/Kathmandu: Kathmandu, Nepal
Asia/Kolkata: Kolkata, Mumbai, Delhi, India, Bangalore, New Delhi, Chennai
Asia/Kuala_Lumpur: Kuala Lumpur, Malaysia
Asia/Kuwait: Kuwait
Asia/Manila: Manila, the Philippines
Asia/Qatar: Qatar, Doha
Asia/Riyadh: Riyadh, Saudi Arabia
Asia/Seoul: Seoul, South Korea, Korea, Busan
Asia/Shanghai: Shanghai, Beijing, China, Shenzhen
Asia/Singapore: Singapore
Asia/Taipei: Taipei, Taiwan
Asia/Tashkent: Tashkent, Uzbekistan
Asia/Tehran: Tehran, Iran
Asia/Tokyo: Tokyo, Osaka, Japan, Kyoto, Sapporo
Asia/Yangon: Yangon, Myanmar
Asia/Yerevan: Yerevan, Armenia
Atlantic/Reykjavik: Reykjavik, Iceland
Australia/Adelaide: Adelaide
Australia/Brisbane: Brisbane
Australia/Melbourne: Melbourne
Australia/Perth: Perth
Australia/Sydney: Sydney, Canberra
Europe/Amsterdam: Amsterdam, the Netherlands, Rotterdam, Holland
Europe/Athens: Athens, Greece
Europe/Belgrade: Belgrade, Serbia
Europe/Berlin: Berlin, Germany, Munich, Hamburg, Frankfurt, Cologne
Europe/Bratislava: Bratislava, Slovakia
Europe/Brussels: Brussels, Belgium
Europe/Bucharest: Bucharest, Romania
Europe/Budapest: Budapest, Hungary
Europe/Copenhagen: Copenhagen, Denmark
Europe/Dublin: Dublin, Ireland
Europe/Helsinki: Helsinki, Finland
Europe/Istanbul: Istanbul, Turkey, Ankara
Europe/Kyiv: Kyiv, Ukraine
Europe/Lisbon: Lisbon, Portugal, Porto
Europe/Ljubljana: Ljubljana, Slovenia
Europe/London: London, England, Manchester, Edinburgh, the UK, Scotland
Europe/Luxembourg: Luxembourg
Europe/Madrid: Madrid, Spain, Barcelona, Seville
Europe/Malta: Malta
Europe/Minsk: Minsk
Europe/Moscow: Moscow, Saint Petersburg
Europe/Oslo: Oslo, Norway, Bergen
Europe/Paris: Paris, France, Lyon, Marseille
Europe/Prague: Prague, the Czech Republic
Europe/Riga: Riga, Latvia
Europe/Rome: Rome, Italy, Milan, Naples, Venice
Europe/Sarajevo: Sarajevo
Europe/Sofia: Sofia, Bulgaria
Europe/Stockholm: Stockholm, Sweden, Gothenburg
Europe/Tallinn: Tallinn, Estonia
Europe/Vienna: Vienna, Austria, Salzburg
Europe/Vilnius: Vilnius, Lithuania
Europe/Warsaw: Warsaw, Poland, Krakow
Europe/Zagreb: Zagreb, Croatia
Europe/Zurich: Zurich, Switzerland, Geneva, Basel
Pacific/Auckland: Auckland, New Zealand, Wellington
Pacific/Fiji: Fiji
Pacific/Honolulu: Honolulu, Hawaii
UTC: UTC
"""

ZONES: dict[str, str] = {
    city.strip(): zone
    for zone, cities in (line.split(": ") for line in _TABLE.strip().splitlines())
    for city in cities.split(",")
}
