#pragma once
int sk_placeholder(void);
